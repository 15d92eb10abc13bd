"""What is wrong with a shadow and its server: each finding with a remedy."""

from __future__ import annotations

import enum
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from shadows.core.durations import rough
from shadows.core.holder import name_of
from shadows.core.lifecycle import ExecutionState
from shadows.core.scheduling import instant
from shadows.errors import BrokenKey, BrokerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from shadows.core.strikes import Strike
    from shadows.execution import Execution
    from shadows.letters import DeadLetter
    from shadows.ports.looking import Record, Survey
    from shadows.ports.vitals import Vitals
    from shadows.shadow import Shadow
    from shadows.snapshot import WorkerInfo

LISTED: Final = 2000
"""So many calls are looked at one by one."""
FAR: Final = 0.05
"""Seconds of a trip from which on the way is long."""
SKEWED: Final = 1.0
"""Seconds by which clocks may differ without being noticed."""
FULL: Final = 0.9
LATE: Final = timedelta(minutes=1)
"""How long a ready call may wait."""


class Health(enum.StrEnum):
    """What a finding says."""

    WELL = "well"
    NOTE = "note"
    """worth knowing; it may be meant to be so"""
    WRONG = "wrong"
    UNSEEN = "unseen"
    """the server did not let us look"""


@attrs.frozen
class Finding:
    """What was found about one thing."""

    about: str
    """a word"""
    health: Health
    says: str
    remedy: str = ""
    """what to do about it"""


@attrs.frozen
class Facts:
    """All that is looked at."""

    now: datetime
    """by the server's clock"""
    survey: Survey
    executions: Sequence[Execution[Any]]
    """of the records of the survey"""
    workers: Sequence[WorkerInfo]
    strikes: Sequence[Strike]
    letters: Sequence[DeadLetter]
    """the latest ones"""

    def running(self) -> list[Record]:
        """Return those that run, of the calls that were looked at."""
        return [one for one in self.survey.records if one.state is ExecutionState.RUNNING]


async def diagnose(shadow: Shadow) -> list[Finding]:
    """Look at the server, then at the shadow on it.

    Raises:
        BrokerUnavailable, NotAllowed, UnsupportedServer: the server does not even let us in.
    """
    vitals = await shadow.backend().vitals()
    findings = [*of_server(vitals)]
    try:
        facts = await _facts(shadow)
    except BrokenKey as broken:
        return [*findings, Finding("keys", Health.WRONG, str(broken), "redis-cli RENAME or DEL that key")]
    except BrokerError as refused:
        return [*findings, Finding("shadow", Health.UNSEEN, str(refused), "see what is wrong above")]
    return [*findings, *of_shadow(facts)]


async def _facts(shadow: Shadow) -> Facts:
    opened = shadow.opened()
    survey = await opened.backend.broker.survey(LISTED)
    executions = [shadow.calls.found(record, opened.access) for record in survey.records]
    workers, strikes = await shadow.workers(), await shadow.strikes()
    letters = await shadow.dead_letters(100)
    return Facts(instant(survey.taken), survey, executions, workers, strikes, letters)


def of_server(vitals: Vitals) -> Iterator[Finding]:
    """Yield what is to be said of the server."""
    yield _server(vitals)
    if vitals.product == "memory":
        return
    yield _role(vitals)
    yield _persistence(vitals)
    yield _eviction(vitals)
    yield _memory(vitals)
    yield _clock(vitals)
    yield _rights(vitals)
    yield _connections(vitals)


def of_shadow(facts: Facts) -> Iterator[Finding]:
    """Yield what is to be said of the shadow."""
    yield _workers(facts)
    yield _gone(facts)
    yield _unknown(facts)
    yield _waiting(facts)
    yield _dead(facts)
    yield _strikes(facts)


def _server(vitals: Vitals) -> Finding:
    if vitals.product == "memory":
        says = "memory:// lives in this process alone, and ends with it"
        return Finding("server", Health.NOTE, says, "for anything but tests: --url redis://HOST:6379/0")
    what = f"{vitals.product} {vitals.version or '(its version is hidden)'}, {vitals.trip * 1000:.1f} ms away"
    if vitals.trip > FAR:
        return Finding(
            "server", Health.NOTE, f"{what}: each call takes a few such trips", "move the workers nearer to it"
        )
    return Finding("server", Health.WELL, what)


def _role(vitals: Vitals) -> Finding:
    if vitals.primary is None:
        return _hidden("role", "whether it is a primary", "INFO")
    if vitals.primary:
        return Finding("role", Health.WELL, "it is a primary")
    return Finding("role", Health.WRONG, "it is a replica, and takes no writes", "--url of its primary")


def _persistence(vitals: Vitals) -> Finding:
    about = "persistence"
    if vitals.unsaved:
        return Finding(
            about, Health.WRONG, f"it cannot save: {vitals.unsaved}", "look for a full disk, and into its log"
        )
    if vitals.log:
        return Finding(about, Health.WELL, "it logs each change (AOF)")
    if vitals.log is None:
        return _hidden(about, "whether it saves", "INFO")
    remedy = "redis-cli CONFIG SET appendonly yes, and the same in its configuration"
    if vitals.snapshots:
        return Finding(about, Health.NOTE, "it saves now and then: what came since is lost when it stops", remedy)
    if vitals.snapshots is None:
        return _hidden(about, "whether it takes snapshots; it logs no changes", "CONFIG GET")
    return Finding(about, Health.WRONG, "it saves nothing: every call is lost when it stops", remedy)


def _eviction(vitals: Vitals) -> Finding:
    about, policy = "eviction", vitals.eviction
    if policy is None:
        return _hidden(about, "what it does when its memory is full", "INFO")
    if policy == "noeviction" or not vitals.most_memory:
        return Finding(about, Health.WELL, "it throws nothing away")
    remedy = "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in its configuration"
    lost = f"; it has thrown away {vitals.evicted} keys" if vitals.evicted else ""
    if policy.startswith("volatile"):
        says = f"with {policy} it throws results away when its memory is full{lost}"
        return Finding(about, Health.NOTE, says, remedy)
    return Finding(about, Health.WRONG, f"with {policy} it throws calls away when its memory is full{lost}", remedy)


def _memory(vitals: Vitals) -> Finding:
    about, used, most = "memory", vitals.memory, vitals.most_memory
    if used is None or most is None:
        return _hidden(about, "how full it is", "INFO")
    if not most:
        return Finding(about, Health.WELL, f"{_megabytes(used)} in use, without a limit")
    says = f"{_megabytes(used)} of {_megabytes(most)} in use"
    if used < FULL * most:
        return Finding(about, Health.WELL, says)
    return Finding(
        about,
        Health.WRONG,
        f"{says}: soon it takes no more calls",
        "redis-cli CONFIG SET maxmemory, or a shorter execution_ttl",
    )


def _clock(vitals: Vitals) -> Finding:
    apart = abs(vitals.skew) - vitals.trip
    if apart < SKEWED:
        return Finding("clock", Health.WELL, "its clock and that of this machine agree")
    way = "ahead of" if vitals.skew > 0 else "behind"
    says = f"its clock is {abs(vitals.skew):.1f} s {way} that of this machine; calls start by its clock"
    return Finding("clock", Health.NOTE, says, "let NTP set both")


def _rights(vitals: Vitals) -> Finding:
    if vitals.lacking is None:
        return _hidden("rights", "which rights we have", "MULTI")
    if not vitals.lacking:
        return Finding("rights", Health.WELL, "we may do there all that we need")
    missing = " ".join(vitals.lacking)
    return Finding("rights", Health.WRONG, f"we lack: {missing}", f"ACL SETUSER {vitals.user or 'USER'} {missing}")


def _connections(vitals: Vitals) -> Finding:
    about, clients, most = "connections", vitals.clients, vitals.most_clients
    if clients is None or most is None:
        return _hidden(about, "how many connections it may have", "INFO")
    says = f"{clients} of {most} in use; a worker needs three"
    remedy = "redis-cli CONFIG SET maxclients, and the limit of open files of its process"
    if clients >= FULL * most:
        return Finding(about, Health.WRONG, says, remedy)
    if vitals.rejected:
        return Finding(about, Health.NOTE, f"{says}; it has refused {vitals.rejected} since it started", remedy)
    return Finding(about, Health.WELL, says)


def _workers(facts: Facts) -> Finding:
    about, counts = "workers", facts.survey.counts
    if facts.workers:
        return Finding(about, Health.WELL, f"{_count(len(facts.workers), 'worker')} here")
    waiting = counts.queued + counts.scheduled + counts.parked + counts.running
    remedy = "shadows worker --tasks MODULE:ATTRIBUTE"
    if waiting:
        return Finding(about, Health.WRONG, f"no worker is here, and {_count(waiting, 'call')} to be run", remedy)
    return Finding(about, Health.NOTE, "no worker is here, and nothing to be run", remedy)


def _gone(facts: Facts) -> Finding:
    here = {one.id for one in facts.workers}
    left = [one.holder or "" for one in facts.running() if one.holder not in here]
    if not left:
        return Finding("leases", Health.WELL, "every running call has a worker that is here")
    names = _some(sorted({name_of(holder) for holder in left}))
    says = f"{_count(len(left), 'running call')} of workers of which nothing is heard: {names}"
    if facts.workers:
        return Finding(
            "leases", Health.NOTE, says, "nothing, if they have gone: others take over when their leases end"
        )
    return Finding(
        "leases", Health.WRONG, f"{says}; nobody is here to take over", "shadows worker --tasks MODULE:ATTRIBUTE"
    )


def _unknown(facts: Facts) -> Finding:
    known = {task for one in facts.workers for task in one.tasks}
    tasks = {one.function_name for one in facts.executions if one.function_name} - known
    counts = facts.survey.counts
    if counts.unknown:
        named = 0 < len(tasks) <= counts.unknown  # else nobody has seen some of them yet, and the count is of others
        names = f": {_some(sorted(tasks))}" if named else ""
        says = f"{_count(counts.unknown, 'call')} of tasks that no worker has known{names}"
        return Finding("tasks", Health.WRONG, says, "start a worker that knows them; after a day they are dead letters")
    if facts.workers and tasks:
        says = f"calls wait or run of tasks that no worker here knows: {_some(sorted(tasks))}"
        return Finding("tasks", Health.NOTE, says, "start a worker that knows them, before they are due")
    return Finding("tasks", Health.WELL, "no call is of an unknown task")


def _waiting(facts: Facts) -> Finding:
    queued, oldest = facts.survey.counts.queued, facts.survey.oldest
    waited = timedelta(0) if oldest is None else facts.now - instant(oldest)
    if waited < LATE:
        return Finding("backlog", Health.WELL, f"{_count(queued, 'call')} ready")
    says = f"{_count(queued, 'call')} ready, the oldest for {rough(waited)}"
    return Finding(
        "backlog", Health.NOTE, says, "more workers, or a higher --concurrency; shadows explain KEY tells of one"
    )


def _dead(facts: Facts) -> Finding:
    dead = facts.survey.counts.dead
    if not dead:
        return Finding("dead letters", Health.WELL, "none")
    reasons = Counter(letter.reason for letter in facts.letters)
    latest = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    says = f"{_count(dead, 'dead letter')} (of the latest {len(facts.letters)}: {latest})"
    return Finding("dead letters", Health.WRONG, says, "shadows dead ls, then shadows dead replay or discard")


def _strikes(facts: Facts) -> Finding:
    if not facts.strikes:
        return Finding("strikes", Health.WELL, "none in force")
    return Finding("strikes", Health.NOTE, f"{_count(len(facts.strikes), 'strike')} in force", "shadows strikes ls")


def _hidden(about: str, what: str, command: str) -> Finding:
    says = f"could not be seen: {what}; {command} is not allowed here, or tells nothing of it"
    return Finding(about, Health.UNSEEN, says, "ask whoever runs the server")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")  # noqa: PLR2004


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MB"
