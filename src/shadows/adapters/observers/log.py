"""Logs through the standard library.  Arguments never reach a log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, assert_never

import attrs

from shadows.adapters.clock import SystemClock
from shadows.core.envelope import task_of
from shadows.core.lifecycle import ExecutionState
from shadows.core.outage import WINDOW, Outage
from shadows.core.verdict import Kind
from shadows.dependencies.dependency import AdmissionBlocked
from shadows.ports.admission import Passage
from shadows.ports.broker import Settlement
from shadows.ports.seeding import Seeding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shadows.core.holder import Holder
    from shadows.core.strikes import Strike
    from shadows.core.verdict import Verdict
    from shadows.ports.admission import Admission
    from shadows.ports.broker import Lease
    from shadows.ports.looking import Survey

_worker = logging.getLogger("shadows.worker")
_task = logging.getLogger("shadows.task")
_strikes = logging.getLogger("shadows.strikes")
_security = logging.getLogger("shadows.security")

SAY_THEIR_FACTS: Final = frozenset({_worker.name, _task.name, _strikes.name})
"""Loggers whose records hold, as fields, what their text says too."""


@attrs.define
class LogObserver:
    """See :class:`shadows.ports.observer.Observer`."""

    shadow: str
    worker: str = ""
    """its name, if it is one whose doings are told"""
    monotonic: Callable[[], float] = attrs.field(default=SystemClock().monotonic, repr=False)
    """seconds that never jump"""
    _outage: Outage = attrs.field(factory=Outage, init=False, repr=False)

    def started(self, task: str, lease: Lease, call: object) -> None:
        if _task.isEnabledFor(logging.INFO):
            again = f", delivery {lease.deliveries}" if lease.deliveries > 1 else ""
            _task.info(
                "%s: %s started (attempt %d%s)",
                _plain(str(call)),
                _plain(lease.key),
                lease.attempt,
                again,
                extra=self._facts(task, lease),
            )

    def ended(self, task: str, lease: Lease, verdict: Verdict, error: BaseException | None) -> None:
        text, level = "%s: %s %s%s", logging.INFO
        rest: tuple[object, ...] = ()
        match verdict.kind, verdict.state:
            case Kind.END, ExecutionState.FAILED:
                level = logging.ERROR
            case Kind.AGAIN, _ if isinstance(error, AdmissionBlocked):
                text, rest, error = "%s: %s is put off (%s)", (_plain(error.reason),), None
            case Kind.AGAIN, _:
                text, level = "%s: %s failed and will be tried again (attempt %d next)", logging.WARNING
                rest = (verdict.attempt,)
            case _:
                error = None
        if _task.isEnabledFor(level):
            rest = rest or (_word(verdict), _because(verdict))
            facts = self._facts(task, lease)
            _task.log(level, text, _plain(task), _plain(lease.key), *rest, exc_info=error, extra=facts)

    def superseded(self, task: str, lease: Lease, error: BaseException | None) -> None:
        """It was told when the lease was lost."""

    def untidy(self, what: str, error: BaseException) -> None:
        _worker.warning("%s: a clean-up went wrong", _plain(what), exc_info=error)

    def settled(self, lease: Lease, verdict: Verdict, settlement: Settlement) -> None:
        level = logging.ERROR if settlement in {Settlement.BURIED, Settlement.BROKEN} else logging.INFO
        facts = self._facts(None, lease)
        _worker.log(level, "%s: %s instead of %s", _plain(lease.key), settlement.value, _word(verdict), extra=facts)

    def unstored(self, task: str, lease: Lease, error: Exception) -> None:
        words = _plain(task), _plain(lease.key), type(error).__name__, _plain(str(error))
        text = "%s: the outcome of %s is lost, for it could not be stored: %s: %s"
        _worker.error(text, *words, extra=self._facts(task, lease))

    def refused(self, task: str, lease: Lease, verdict: Verdict) -> None:
        words = _plain(task), _plain(lease.key), _word(verdict), _because(verdict)
        _worker.warning("%s: %s is not run here: %s%s", *words, extra=self._facts(task, lease))

    def skipped(self, task: str, lease: Lease, verdict: Verdict) -> None:
        """Gates and strikes have told it already."""
        if verdict.reason == "missed":
            self.refused(task, lease, verdict)

    def blocked(self, task: str, lease: Lease, admission: Admission) -> None:
        facts = self._facts(task, lease)
        if admission.passage is Passage.BROKEN:
            _worker.error(
                "%s: %s is tried again in a moment: the key %r holds a value of another type; delete or rename it",
                _plain(task),
                _plain(lease.key),
                admission.reason,
                extra=facts,
            )
        else:
            why = f" ({admission.reason})" if admission.reason else ""
            words = _plain(task), _plain(lease.key), admission.passage.value, why
            _worker.info("%s: %s %s at its gates%s", *words, extra=facts)

    def stricken(self, task: str, key: str, strike: Strike) -> None:
        because = f" ({_plain(strike.reason)})" if strike.reason else ""
        _strikes.info("%s: %s is struck%s", _plain(task), _plain(key), because, extra={**self._facts(task), "key": key})

    def held(self, task: str, key: str, strike: Strike) -> None:
        because = f" ({_plain(strike.reason)})" if strike.reason else ""
        facts = {**self._facts(task), "key": key}
        _strikes.info("%s: %s is held until a strike is restored%s", _plain(task), _plain(key), because, extra=facts)

    def strikes_moved(self, in_force: int) -> None:
        _strikes.info("%d strikes are in force in shadow %s", in_force, self.shadow, extra=self._facts())

    def misfit(self, task: str, strike: Strike, parameter: str) -> None:
        whose = "every task" if strike.function is None else _plain(strike.function)
        _strikes.warning(
            "%s: a strike of %s by %s does not fit, and is no match; restore it", _plain(task), whose, _plain(parameter)
        )

    def unreadable_strike(self, name: str, error: Exception) -> None:
        _strikes.error("the strike %s forbids nothing here: %s", name, error)

    def distrusted(self, what: str, name: str, error: Exception) -> None:
        facts = {**self._facts(), "key": name} if what == "call" else self._facts()
        _security.error("the %s %s is not decoded: %s", what, _plain(name), error, extra=facts)

    def lost(self, lease: Lease) -> None:
        _worker.warning(
            "%s: the lease was lost; its body is cancelled", _plain(lease.key), extra=self._facts(None, lease)
        )

    def ignored(self, lease: Lease, seconds: float, *, in_thread: bool) -> None:
        _worker.warning(
            "%s: %s goes on %.1f s after it was cancelled; it keeps its slot until it ends, and is cancelled "
            "once more%s",
            *_names(lease),
            seconds,
            ", which reaches no thread" if in_thread else "",
        )

    def stuck(self, lease: Lease | None, seconds: float, stack: str) -> None:
        _worker.warning(
            "%s: %s has blocked the event loop for %.1f s; every other call of this worker waits. "
            "A def task runs beside the loop. It is here:\n%s",
            *_names(lease),
            seconds,
            stack,
        )

    def abandoned(self, lease: Lease | None, seconds: float) -> None:
        _worker.error(
            "%s: %s has blocked the event loop for %.1f s; all other calls of this worker are left to other workers",
            *_names(lease),
            seconds,
        )

    def left_behind(self, lease: Lease, names: Sequence[str], *, cancelled: bool) -> None:
        _worker.warning(
            "%s: %s has ended and left asyncio tasks behind (%s)%s",
            *_names(lease),
            ", ".join(names),
            "; they are cancelled" if cancelled else "",
        )

    def disrupted(self, error: BaseException, failures: int, pause: float) -> None:
        line = self._outage.failed(self.monotonic(), failures, pause)
        if line is not None:
            still = f" for {line.seconds:.0f} s" if line.seconds >= WINDOW else ""
            before = f"; it was {line.untold} times since this was last said" if line.untold else ""
            words = still, error, failures + 1, pause, before
            _worker.warning("the broker is away%s (%s); try %d in %.2f s%s", *words, extra=self._facts())

    def recovered(self) -> None:
        line = self._outage.ended(self.monotonic())
        if line is not None:
            _worker.info("the broker is back after %.1f s", line.seconds, extra=self._facts())

    def clock_jumped(self, seconds: float) -> None:
        what = ("ahead", "early") if seconds > 0 else ("back", "late")
        text = (
            "the server's clock has jumped %.0f s %s against ours: calls that wait and expired leases come %s by that"
        )
        _worker.warning(text, abs(seconds), *what, extra=self._facts())

    def seeded(self, key: str, seeding: Seeding) -> None:
        if seeding is Seeding.BROKEN:
            _worker.error("%s: the automatic task cannot be placed; its record holds something else", _plain(key))
        else:
            _worker.info("%s: the automatic task is %s", _plain(key), seeding.value)

    def endless(self, tasks: Sequence[str]) -> None:
        _worker.warning(
            "run_until_finished goes on until it is stopped: there is always another call of %s; run_at_most names "
            "how many are enough, and schedule_automatic_tasks=False leaves them out",
            ", ".join(map(_plain, tasks)),
        )

    def left(self, unknown: int, dead: int, held: int) -> None:
        _worker.warning(
            "nothing is left to do but %d calls of tasks that nobody here knows, %d held at strikes; %d dead letters",
            unknown,
            held,
            dead,
        )

    def surveyed(self, survey: Survey) -> None:
        """Numbers are for metrics."""

    def lagged(self, seconds: float) -> None:
        """Likewise."""

    def working(self, holder: Holder, tasks: int) -> None:
        _worker.info("worker %s of shadow %s knows %d tasks", holder.name, self.shadow, tasks, extra=self._facts())

    def stopping(self, holder: Holder, running: int) -> None:
        _worker.info("worker %s stops; %d calls still run", holder.name, running, extra=self._facts())

    def stopped(self, holder: Holder) -> None:
        _worker.info("worker %s has stopped", holder.name, extra=self._facts())

    def _facts(self, task: str | None = None, lease: Lease | None = None) -> dict[str, object]:
        """Return what the text says too, for logs that are searched by field; never an argument."""
        facts: dict[str, object] = {"shadow": self.shadow}
        if self.worker:
            facts["worker"] = self.worker
        if task is not None:
            facts["task"] = task
        if lease is not None:
            facts["key"], facts["attempt"] = lease.key, lease.attempt
        return facts


def _names(lease: Lease | None) -> tuple[str, str]:
    """Return the task and the key of a call of which only the lease is known."""
    if lease is None:
        return "something", "no call that is known"
    return _plain(task_of(lease.payload) or "?"), _plain(lease.key)


def _plain(text: str) -> str:
    """Return a key or a task's name in one line: whoever chooses it must not be able to forge a line of the log."""
    return text if text.isprintable() else repr(text)[1:-1]


def _because(verdict: Verdict) -> str:
    return f" ({_plain(verdict.reason)})" if verdict.reason else ""


def _word(verdict: Verdict) -> str:
    match verdict.kind:
        case Kind.END:
            return verdict.state.value
        case Kind.AGAIN:
            return "tried again"
        case Kind.BACK:
            return "handed back"
        case Kind.HOLD:
            return "held"
        case Kind.UNKNOWN:
            return "unknown task"
        case Kind.BURY:
            return "dead letter"
        case _:
            assert_never(verdict.kind)
