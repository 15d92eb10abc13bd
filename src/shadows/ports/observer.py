"""Who hears of what happens: metrics, spans and logs hang here, and nowhere else."""

from __future__ import annotations

from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadows.core.holder import Holder
    from shadows.core.strikes import Strike
    from shadows.core.verdict import Verdict
    from shadows.ports.admission import Admission
    from shadows.ports.broker import Lease, Settlement
    from shadows.ports.looking import Survey
    from shadows.ports.seeding import Seeding


class Observer(Protocol):
    """Called synchronously on the hot path: a method returns at once and raises nothing."""

    def started(self, task: str, lease: Lease, call: object) -> None:
        """A body is about to run; ``call``, as text, shows the arguments that may be seen."""
        ...

    def ended(self, task: str, lease: Lease, verdict: Verdict, error: BaseException | None) -> None:
        """A body has ended, and this is what will be settled."""
        ...

    def superseded(self, task: str, lease: Lease, error: BaseException | None) -> None:
        """A body has ended whose lease had been lost: nothing that it did counts, and nothing is settled."""
        ...

    def untidy(self, what: str, error: BaseException) -> None:
        """A clean-up went wrong: of a run of this task which has ended for another reason, or of what a worker
        kept for all its runs.
        """
        ...

    def settled(self, lease: Lease, verdict: Verdict, settlement: Settlement) -> None:
        """The broker answered a settle with something else than SETTLED."""
        ...

    def unstored(self, task: str, lease: Lease, error: Exception) -> None:
        """A run has ended, and its outcome is lost: the result storage stayed away, or refused it."""
        ...

    def refused(self, task: str, lease: Lease, verdict: Verdict) -> None:
        """A call was not run: unknown task, undecodable, over its count."""
        ...

    def skipped(self, task: str, lease: Lease, verdict: Verdict) -> None:
        """A call is dropped before its body, by a gate, a strike or its schedule; this is what will be settled."""
        ...

    def blocked(self, task: str, lease: Lease, admission: Admission) -> None:
        """A call does not run now, and its gates say why; being blocked is no failure."""
        ...

    def stricken(self, task: str, key: str, strike: Strike) -> None:
        """A call was not placed, or not run, because of this strike."""
        ...

    def held(self, task: str, key: str, strike: Strike) -> None:
        """A waiting call came due, and waits on until this strike is restored."""
        ...

    def strikes_moved(self, in_force: int) -> None:
        """Something was struck or restored; so many strikes are in force now."""
        ...

    def misfit(self, task: str, strike: Strike, parameter: str) -> None:
        """A strike says nothing of this task's calls: this parameter is missing or does not compare; told once."""
        ...

    def unreadable_strike(self, name: str, error: Exception) -> None:
        """A strike cannot be read here, and so forbids nothing here."""
        ...

    def distrusted(self, what: str, name: str, error: Exception) -> None:
        """Somebody who does not know the secret has written this: a call under its key, or a strike under its name."""
        ...

    def lost(self, lease: Lease) -> None:
        """A lease was lost; its body is being cancelled."""
        ...

    def ignored(self, lease: Lease, seconds: float, *, in_thread: bool) -> None:
        """A body goes on, so long after it was cancelled; it is being cancelled once more, which does not reach a
        thread.
        """
        ...

    def stuck(self, lease: Lease | None, seconds: float, stack: str) -> None:
        """The event loop has shown no sign of life for so long; this body, if it is one, is where ``stack`` says.
        Called from a thread.
        """
        ...

    def abandoned(self, lease: Lease | None, seconds: float) -> None:
        """It goes on; the leases of all other calls of this worker are not renewed any more.  Called from a thread."""
        ...

    def left_behind(self, lease: Lease, names: Sequence[str], *, cancelled: bool) -> None:
        """A body has ended, and asyncio tasks that it made have not: the names of their functions."""
        ...

    def disrupted(self, error: BaseException, failures: int, pause: float) -> None:
        """The broker is away for the so-manieth time in a row; the next try comes after ``pause`` seconds."""
        ...

    def recovered(self) -> None:
        """The broker is back."""
        ...

    def clock_jumped(self, seconds: float) -> None:
        """The broker's clock has jumped ahead by so many seconds at least, or back by as many less than none."""
        ...

    def seeded(self, key: str, seeding: Seeding) -> None:
        """The call of an automatic task was placed, or got another time, or could not be placed."""
        ...

    def endless(self, tasks: Sequence[str]) -> None:
        """A worker is to work until nothing is left, but of these automatic tasks there is always another call."""
        ...

    def left(self, unknown: int, dead: int, held: int) -> None:
        """Everything is done but these: calls of tasks that nobody knows, dead letters, calls held at strikes."""
        ...

    def surveyed(self, survey: Survey) -> None:
        """A worker has looked at its shadow, as it does every few seconds where somebody measures."""
        ...

    def lagged(self, seconds: float) -> None:
        """The event loop woke what slept so much too late; looked at where somebody measures."""
        ...

    def working(self, holder: Holder, tasks: int) -> None:
        """A worker has begun."""
        ...

    def stopping(self, holder: Holder, running: int) -> None:
        """A worker claims no more and waits for its bodies."""
        ...

    def stopped(self, holder: Holder) -> None:
        """A worker has ended."""
        ...
