"""Why a call does not run: what is known of it, in one word, one sentence and one thing to do about it."""

from __future__ import annotations

import difflib
import enum
from datetime import timedelta
from shlex import quote
from typing import TYPE_CHECKING, Any, assert_never

import attrs

from shadows.core.durations import rough, text
from shadows.core.gates import Debounce, Rate, Slots
from shadows.core.lifecycle import ExecutionState
from shadows.core.names import task_key
from shadows.core.scheduling import instant
from shadows.ports.looking import Counts, Part, Record, Standing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shadows.core.strikes import Strike
    from shadows.execution import Execution
    from shadows.shadow import Shadow
    from shadows.snapshot import WorkerInfo


class Why(enum.StrEnum):
    """Why a call does not run, or what became of it."""

    NOTHING_KEPT = "nothing_kept"
    """nobody knows its key"""
    LATER = "later"
    """its time has not come"""
    RETRY = "retry"
    """an attempt has failed, and the next one waits for its time"""
    RATE = "rate"
    """its rate limit lets it pass later"""
    QUIET = "quiet"
    """its debounce waits until nothing newer comes"""
    SLOTS = "slots"
    """it is parked: others have the slots that it needs"""
    HELD = "held"
    """it is parked at a strike"""
    STRUCK = "struck"
    """a strike forbids it: it ends cancelled as soon as a worker takes it"""
    NO_WORKER = "no_worker"
    """no worker is here"""
    UNKNOWN_TASK = "unknown_task"
    """no worker that is here knows its task"""
    BUSY = "busy"
    """it is ready, and waits until one of the workers that know its task has a free slot"""
    RUNNING = "running"
    CANCELLING = "cancelling"
    """it runs, and was asked to stop"""
    LOST = "lost"
    """nothing is heard of the worker that runs it, and nobody has taken it over yet"""
    COMPLETED = "completed"
    FAILED = "failed"
    DEAD = "dead"
    """it is a dead letter"""
    CANCELLED = "cancelled"


@attrs.frozen
class Explanation:
    """What can be said of a key."""

    key: str
    why: Why
    says: str
    """one sentence"""
    remedy: str = ""
    """what to type, if something is to be done"""
    notes: tuple[str, ...] = ()
    """what else stands in the way, or is worth knowing"""
    execution: Execution[Any] | None = None
    """None if nothing is kept of it"""
    standing: Standing = attrs.field(factory=Standing)
    """at which gate or strike it waits, behind how many"""
    strike: Strike | None = None
    """the strike that holds it or will drop it"""
    workers: tuple[WorkerInfo, ...] = ()
    """those that are here and know its task"""


@attrs.frozen
class Facts:
    """All that is looked at."""

    record: Record
    execution: Execution[Any]
    now: datetime
    """by the server's clock"""
    counts: Counts
    workers: Sequence[WorkerInfo]
    """everybody who is here"""
    strike: Strike | None
    """that holds it, or forbids it"""

    @property
    def standing(self) -> Standing:
        """Where it waits."""
        return self.record.standing or Standing()

    @property
    def able(self) -> list[WorkerInfo]:
        """Those who are here and know its task."""
        return [one for one in self.workers if self.execution.function_name in one.tasks]

    @property
    def task(self) -> str:
        """The name of its task, for a sentence."""
        return self.execution.function_name or "(a task whose name cannot be read)"

    @property
    def due(self) -> datetime:
        """When it may start."""
        return self.now if self.record.due is None else instant(self.record.due)

    def at(self, moment: datetime) -> str:
        """Return a moment for a sentence."""
        way = f"{rough(self.now - moment)} ago" if moment <= self.now else f"in {rough(moment - self.now)}"
        return f"{moment.isoformat(timespec='seconds')} ({way})"


@attrs.frozen
class _Said:
    why: Why
    says: str
    remedy: str = ""


async def explain(shadow: Shadow, key: str) -> Explanation:
    """Say why the call with this key does not run, or what became of it.  Each look is one moment's truth."""
    opened, task = shadow.opened(), task_key(key)
    record = await opened.backend.broker.read(task, Part.PAYLOAD | Part.RESULT | Part.STANDING)
    if record is None:
        says = "nothing is known of this key: no call had it, or what became of that is not kept any more"
        return Explanation(key, Why.NOTHING_KEPT, says, "shadows snapshot")
    execution = shadow.calls.found(record, opened.access)
    in_force = await shadow.strikes()
    strike = opened.striker.strikes.judge(execution.function_name, execution.args, execution.kwargs)
    if record.standing is not None and record.standing.strike:
        strike = next((one for one in in_force if one.name == record.standing.strike), strike)
    survey = await opened.backend.broker.survey(0)
    facts = Facts(record, execution, instant(survey.taken), survey.counts, await shadow.workers(), strike)
    return explained(facts)


def explained(facts: Facts) -> Explanation:
    """Draw the conclusions."""
    said = _said(facts)
    strikes = {Why.HELD, Why.STRUCK}
    return Explanation(
        facts.record.key,
        said.why,
        said.says,
        said.remedy,
        tuple(_notes(facts, said.why)),
        facts.execution,
        facts.standing,
        facts.strike if said.why in strikes else None,
        tuple(facts.able),
    )


def _said(facts: Facts) -> _Said:
    match facts.record.state:
        case ExecutionState.SCHEDULED:
            return _scheduled(facts)
        case ExecutionState.QUEUED:
            return _ready(facts)
        case ExecutionState.PARKED:
            return _parked(facts)
        case ExecutionState.RUNNING:
            return _running(facts)
        case ExecutionState.COMPLETED:
            return _Said(Why.COMPLETED, f"it has completed, {_ended(facts)}")
        case ExecutionState.FAILED:
            return _failed(facts)
        case ExecutionState.CANCELLED:
            why = _CANCELLED.get(facts.record.reason or "", facts.record.reason or "it was cancelled")
            return _Said(Why.CANCELLED, f"it was cancelled, {_ended(facts)}: {why}")
        case _:
            assert_never(facts.record.state)


_CANCELLED = {
    "cancelled": "somebody cancelled it, or the task itself",
    "cleared": "somebody cleared the shadow",
    "strike": "a strike forbade it",
    "cooldown": "another call had closed its cooldown",
    "rate_limit": "its rate limit was reached, and drops what is too much",
    "debounced": "a newer call took its place at its debounce",
    "run_at_most": "its worker ran each call only so many times",
}


def _scheduled(facts: Facts) -> _Said:
    standing, moment = facts.standing, facts.at(facts.due)
    if standing.unknown_since is not None:
        since = facts.at(instant(standing.unknown_since))
        says = f"no worker that took it has known the task {facts.task}, since {since}; it is tried again {moment}"
        return _Said(Why.UNKNOWN_TASK, says, _deploy(facts))
    if facts.due <= facts.now:
        return _ready(facts)
    match standing.gate:
        case Rate():
            return _Said(Why.RATE, f"its rate limit lets it pass {moment}: {_at_gate(facts, standing.gate)}")
        case Debounce():
            says = (
                f"it waits for quiet until {moment}: a newer call at {_at_gate(facts, standing.gate)} takes its place"
            )
            return _Said(Why.QUIET, says)
        case _:
            pass
    if facts.record.attempt > 1:
        return _Said(Why.RETRY, f"attempt {facts.record.attempt - 1} has failed; the next one starts {moment}")
    return _Said(Why.LATER, f"it is scheduled for {moment}")


def _ready(facts: Facts) -> _Said:
    since, able = f"it has been due since {facts.at(facts.due)}", facts.able
    if not facts.workers:
        return _Said(Why.NO_WORKER, f"{since}, and no worker is here", "shadows worker --tasks MODULE:ATTRIBUTE")
    if not able:
        says = f"{since}, and none of the {len(facts.workers)} workers here knows the task {facts.task}"
        return _Said(Why.UNKNOWN_TASK, says, _deploy(facts))
    if facts.strike is not None:
        says = f"a strike forbids it ({described(facts.strike)}): it ends cancelled when a worker takes it"
        return _Said(Why.STRUCK, says, "shadows strikes ls, and shadows restore ...")
    counts, who = facts.counts, _names(able)
    says = f"{since}, and waits for a free slot of {who}: {counts.running} calls are running, {counts.queued} are ready"
    return _Said(Why.BUSY, says, "shadows snapshot; more workers, or a higher --concurrency, take more at a time")


def _parked(facts: Facts) -> _Said:
    standing = facts.standing
    if standing.strike:
        strike = "one that cannot be read here" if facts.strike is None else described(facts.strike)
        return _Said(Why.HELD, f"a strike holds it until it is restored: {strike}", "shadows restore ...")
    where = "a gate" if standing.gate is None else _at_gate(facts, standing.gate)
    return _Said(Why.SLOTS, f"others have the slots that it needs: it is parked at {where}")


def _running(facts: Facts) -> _Said:
    record, execution = facts.record, facts.execution
    worker, since = execution.worker or "?", facts.at(instant(record.started or 0))
    again = f", delivered {record.deliveries} times" if record.deliveries > 1 else ""
    what = f"attempt {record.attempt} started on {worker} at {since}{again}"
    if all(one.id != record.holder for one in facts.workers):
        says = (
            f"{what}, but nothing is heard of that worker; if it has gone, another one takes over when its lease ends"
        )
        if facts.able:
            return _Said(Why.LOST, says)
        return _Said(Why.LOST, f"{says}; none is here that knows the task {facts.task}", _deploy(facts))
    if record.cancel_requested:
        return _Said(Why.CANCELLING, f"{what}; it was asked to stop, and has not ended yet")
    return _Said(Why.RUNNING, f"it is running: {what}")


def _failed(facts: Facts) -> _Said:
    key = quote(facts.record.key)
    if facts.record.letter is not None:
        says = f"it is a dead letter, {_ended(facts)}: {facts.record.reason}, attempt {facts.record.attempt}"
        return _Said(Why.DEAD, says, f"shadows dead show {key}, then shadows dead replay or discard")
    says = f"it has failed, {_ended(facts)}, in attempt {facts.record.attempt}: {facts.execution.error or '?'}"
    return _Said(Why.FAILED, says, f"shadows dead replay {key}, to run it once more")


def _notes(facts: Facts, why: Why) -> list[str]:
    """Return what will be in the way later, and what is in the way of others."""
    notes: list[str] = []
    waits = facts.record.state.live and facts.record.state is not ExecutionState.RUNNING
    if waits and why not in {Why.NO_WORKER, Why.UNKNOWN_TASK} and not facts.able:
        notes.append(f"no worker that is here knows the task {facts.task}")
    if waits and why is Why.UNKNOWN_TASK and facts.able:
        notes.append(f"{_names(facts.able)} is here now and knows it")
    if waits and facts.strike is not None and why not in {Why.STRUCK, Why.HELD}:
        notes.append(f"a strike forbids it ({described(facts.strike)}): it will not run while that is in force")
    if facts.record.successor is not None:
        notes.append("another call waits to take this key when the body has ended")
    return notes


def _ended(facts: Facts) -> str:
    return facts.at(instant(facts.record.ended or 0))


def _names(workers: Sequence[WorkerInfo]) -> str:
    first, *others = sorted({one.name for one in workers})
    return f"{first} and {len(others)} others" if others else first


def _deploy(facts: Facts) -> str:
    known = {name for one in facts.workers for name in one.tasks}
    near = difflib.get_close_matches(facts.task, known, n=1)
    hint = f" (they know {near[0]})" if near else ""
    return f"start a worker that knows it: shadows worker --tasks MODULE:ATTRIBUTE{hint}"


def _at_gate(facts: Facts, gate: Slots | Rate | Debounce) -> str:
    standing = facts.standing
    ahead = f", {standing.before} before it" if standing.before else ", first in line"
    match gate:
        case Slots():
            shown = [*standing.holders, *(["..."] if standing.inside > len(standing.holders) else [])]
            taken = f"{standing.inside} of {gate.most} slots taken" + (f" by {', '.join(shown)}" if shown else "")
            return f"{gate.name} ({taken}{ahead})"
        case Rate():
            return f"{gate.name} ({standing.inside} of {gate.limit} in {_span(gate.per)} used{ahead})"
        case Debounce():
            return f"{gate.name} (after {_span(gate.settle)} without a newer one)"
        case _:
            assert_never(gate)


def _span(ms: int) -> str:
    return text(timedelta(milliseconds=ms))


def described(strike: Strike) -> str:
    """Return a strike for a sentence."""
    task = "any task" if strike.function is None else strike.function
    where = " and ".join(f"{one.parameter} {one.operator} {one.value!r}" for one in strike.conditions)
    because = f", {strike.reason}" if strike.reason else ""
    return f"{task}{f' where {where}' if where else ''}{because}"
