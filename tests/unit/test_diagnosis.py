"""What is said of a server and a shadow, from what was seen of them."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from shadows import Shadow
from shadows.core import verdict
from shadows.core.scheduling import epoch_milliseconds
from shadows.diagnosis import Facts, Finding, Health, diagnose, of_server, of_shadow
from shadows.errors import BrokenKey, NotAllowed
from shadows.ports.broker import Order
from shadows.ports.vitals import Vitals
from tests.contract.acts import call, worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shadows.core.holder import Holder

_numbers = itertools.count(1)
WELL = Vitals(
    "Valkey", "9.0.1", 0.001, 0.0, primary=True, log=True, snapshots=True, unsaved="", eviction="noeviction", evicted=0,
    memory=10 * 2**20, most_memory=100 * 2**20, clients=10, most_clients=10_000, rejected=0, user="default", lacking=(),
)  # fmt: skip
SERVER = ["server", "role", "persistence", "eviction", "memory", "clock", "rights", "connections"]
SHADOW = ["workers", "leases", "tasks", "backlog", "dead letters", "strikes"]


def found(about: str, **seen: Any) -> Finding:
    """Return what is said of one thing, when everything else is well."""
    (finding,) = [one for one in of_server(attrs.evolve(WELL, **seen)) if one.about == about]
    return finding


def test_a_healthy_server_is_well_in_everything() -> None:
    """And nothing is to be done."""
    findings = [*of_server(WELL)]
    assert [one.about for one in findings] == SERVER
    assert {(one.health, one.remedy) for one in findings} == {(Health.WELL, "")}
    assert findings[0].says == "Valkey 9.0.1, 1.0 ms away"


def test_a_server_that_tells_nothing_is_unseen_not_well() -> None:
    """A managed one without INFO, CONFIG and MULTI: each thing that could not be seen is named."""
    findings = {one.about: one for one in of_server(Vitals("something"))}
    unseen = {about for about, one in findings.items() if one.health is Health.UNSEEN}
    assert unseen == {*SERVER} - {"server", "clock"}
    assert "its version is hidden" in findings["server"].says
    assert all(findings[about].remedy for about in unseen)


@pytest.mark.parametrize(
    ("about", "seen", "health", "said"),
    [
        ("server", {"trip": 0.2}, Health.NOTE, "200.0 ms away"),
        ("role", {"primary": False}, Health.WRONG, "a replica"),
        ("persistence", {"unsaved": "rdb_last_bgsave_status is err"}, Health.WRONG, "cannot save: rdb_last"),
        ("persistence", {"log": False, "snapshots": True}, Health.NOTE, "now and then"),
        ("persistence", {"log": False, "snapshots": None}, Health.UNSEEN, "CONFIG GET"),
        ("persistence", {"log": False, "snapshots": False}, Health.WRONG, "every call is lost"),
        ("eviction", {"eviction": "allkeys-lru"}, Health.WRONG, "throws calls away"),
        ("eviction", {"eviction": "allkeys-lru", "evicted": 7}, Health.WRONG, "it has thrown away 7 keys"),
        ("eviction", {"eviction": "volatile-ttl"}, Health.NOTE, "throws results away"),
        ("eviction", {"eviction": "allkeys-lru", "most_memory": 0}, Health.WELL, "nothing"),
        ("memory", {"most_memory": 0}, Health.WELL, "10 MB in use, without a limit"),
        ("memory", {"memory": 95 * 2**20}, Health.WRONG, "95 MB of 100 MB"),
        ("clock", {"skew": 90.0}, Health.NOTE, "90.0 s ahead of"),
        ("clock", {"skew": -90.0}, Health.NOTE, "90.0 s behind"),
        ("clock", {"skew": -1.5, "trip": 1.0}, Health.WELL, "agree"),
        ("rights", {"lacking": ("+xadd", "~shop:*")}, Health.WRONG, "we lack: +xadd ~shop:*"),
        ("connections", {"clients": 9_500}, Health.WRONG, "9500 of 10000"),
        ("connections", {"rejected": 3}, Health.NOTE, "refused 3"),
    ],
)
def test_what_is_not_well_is_told_with_a_remedy(about: str, seen: dict[str, Any], health: Health, said: str) -> None:
    """One word says how bad it is."""
    finding = found(about, **seen)
    assert (finding.health, said in finding.says) == (health, True), finding
    assert bool(finding.remedy) is (health is not Health.WELL)


def test_the_remedy_for_missing_rights_can_be_typed() -> None:
    """With our user's name, if the server tells it."""
    assert found("rights", lacking=("+xadd",)).remedy == "ACL SETUSER default +xadd"
    assert found("rights", lacking=("+xadd",), user=None).remedy == "ACL SETUSER USER +xadd"


async def ship(order: int) -> None: ...


@pytest.fixture
async def shadows() -> AsyncIterator[Shadow]:
    async with Shadow(f"unit-{next(_numbers)}", "memory://diagnosis", allow_unknown=True) as entered:
        entered.register(ship)
        yield entered


async def all_of(shadows: Shadow) -> dict[str, Finding]:
    """Diagnose."""
    return {one.about: one for one in await diagnose(shadows)}


async def come(shadows: Shadow, *tasks: str) -> Holder:
    """Let a worker be here that knows these tasks."""
    who = worker("packer")
    await shadows.backend().presence.check_in(who, tasks, horizon=10_000)
    return who


async def test_a_quiet_shadow_in_memory(shadows: Shadow) -> None:
    """Memory is for tests; that nobody is here may be meant so."""
    findings = await all_of(shadows)
    assert list(findings) == ["server", *SHADOW]
    notes = {about for about, one in findings.items() if one.health is Health.NOTE}
    assert notes == {"server", "workers"}
    assert {one.health for about, one in findings.items() if about not in notes} == {Health.WELL}


async def test_a_shadow_at_work_is_well(shadows: Shadow) -> None:
    """Calls run under workers that are here, and wait for those that know them."""
    who = await come(shadows, "ship")
    await shadows.add(ship)(1)
    await shadows.backend().broker.claim(Order(who, 1))
    await shadows.add(ship)(2)
    findings = await all_of(shadows)
    assert {findings[about].health for about in SHADOW} == {Health.WELL}
    assert (findings["workers"].says, findings["backlog"].says) == ("1 worker here", "1 call ready")


async def test_calls_without_any_worker(shadows: Shadow) -> None:
    """Whatever they wait for."""
    await shadows.add(ship, when=timedelta(hours=1))(1)
    finding = (await all_of(shadows))["workers"]
    assert (finding.health, finding.says) == (Health.WRONG, "no worker is here, and 1 call to be run")


async def test_calls_of_workers_that_have_gone(shadows: Shadow) -> None:
    """INV 12: others take over; unless nobody is here."""
    await shadows.add(ship)(1)
    await shadows.backend().broker.claim(Order(worker("gone"), 1))
    finding = (await all_of(shadows))["leases"]
    assert (finding.health, "gone; nobody is here" in finding.says) == (Health.WRONG, True)
    await come(shadows, "ship")
    finding = (await all_of(shadows))["leases"]
    assert (finding.health, finding.says) == (
        Health.NOTE, "1 running call of workers of which nothing is heard: gone",
    )  # fmt: skip


async def test_calls_of_tasks_that_nobody_knows(shadows: Shadow) -> None:
    """INV 19: visibly; before they are tried, and after."""
    who = await come(shadows, "other")
    for name in ("a", "b", "c", "d", "e", "f"):
        await shadows.add(name)()
    finding = (await all_of(shadows))["tasks"]
    assert (finding.health, "knows: a, b, c, d, e, ..." in finding.says) == (Health.NOTE, True)
    broker = shadows.backend().broker
    leases = (await broker.claim(Order(who, 10))).leases
    await broker.settle(who, [(lease, verdict.unknown(lease.payload, attempt=1)) for lease in leases])
    finding = (await all_of(shadows))["tasks"]
    assert (finding.health, "6 calls of tasks that no worker has known: a, b" in finding.says) == (Health.WRONG, True)
    await shadows.add("g")()  # nobody has seen that one yet
    assert (await all_of(shadows))["tasks"].says == "6 calls of tasks that no worker has known"


async def test_an_unknown_task_whose_name_cannot_be_read_is_counted(shadows: Shadow) -> None:
    """It has no name to tell."""
    broker, who = shadows.backend().broker, await come(shadows)
    await broker.schedule([call("k", b"cannot be read")])
    (lease,) = (await broker.claim(Order(who, 10))).leases
    await broker.settle(who, [(lease, verdict.unknown(lease.payload, attempt=1))])
    assert (await all_of(shadows))["tasks"].says == "1 call of tasks that no worker has known"


async def test_a_ready_call_that_waits_too_long(shadows: Shadow) -> None:
    """There is too much to do, or too few to do it."""
    await shadows.add(ship)(1)
    survey = await shadows.backend().broker.survey(0)
    later = shadows.clock.now() + timedelta(minutes=5)
    facts = Facts(later, survey, [], [], [], [])
    (finding,) = [one for one in of_shadow(facts) if one.about == "backlog"]
    assert (finding.health, finding.says) == (Health.NOTE, "1 call ready, the oldest for 5m")
    assert epoch_milliseconds(later) > survey.taken


async def test_dead_letters_want_to_be_looked_at(shadows: Shadow) -> None:
    """With their reasons, the most frequent one first."""
    broker, who = shadows.backend().broker, worker()
    for reason in ("worker-lost", "unknown-task", "worker-lost"):
        await shadows.add(ship)(1)
        (lease,) = (await broker.claim(Order(who, 1))).leases
        await broker.settle(who, [(lease, verdict.dead(lease.payload, attempt=1, reason=reason))])
    finding = (await all_of(shadows))["dead letters"]
    assert finding.health is Health.WRONG
    assert finding.says == "3 dead letters (of the latest 3: 2 worker-lost, 1 unknown-task)"


async def test_strikes_in_force_are_worth_knowing(shadows: Shadow) -> None:
    """They may be forgotten ones."""
    await shadows.strike("ship")
    finding = (await all_of(shadows))["strikes"]
    assert (finding.health, finding.says) == (Health.NOTE, "1 strike in force")


@pytest.mark.parametrize(
    ("error", "about", "health"),
    [
        (BrokenKey("the key 'shop:stream' holds something else"), "keys", Health.WRONG),
        (NotAllowed("no permissions"), "shadow", Health.UNSEEN),
    ],
)
async def test_what_the_server_refuses_is_a_finding_too(
    shadows: Shadow, monkeypatch: pytest.MonkeyPatch, error: Exception, about: str, health: Health
) -> None:
    """FAULT 51, FAULT 68: what was seen before is told all the same."""

    async def refused(*_: object) -> None:
        raise error

    monkeypatch.setattr(type(shadows.backend().broker), "survey", refused)
    first, last = await diagnose(shadows)
    assert first.about == "server"
    assert (last.about, last.health, last.says) == (about, health, str(error))
