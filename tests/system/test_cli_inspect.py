"""`shadows explain` and `shadows doctor`: finding out what is wrong."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import pytest
import redis

from shadows import ConcurrencyLimit, Shadow, Worker
from shadows.core.gates import Slots
from shadows.ports.broker import Order
from tests.contract.acts import worker
from tests.listening import Listening

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.system.conftest import Said

    type Run = Callable[..., Said]


async def ship(order: int) -> None: ...


async def sync(tenant: Annotated[str, ConcurrencyLimit(1)]) -> None: ...


def on(url: str, name: str, act: Callable[[Shadow], Coroutine[Any, Any, Any]]) -> Any:
    """Do something to a shadow, in a loop of its own."""

    async def run() -> Any:
        async with Shadow(name, url) as shadow:
            return await act(shadow)

    return asyncio.run(run())


# Explain


def test_a_scheduled_call_is_explained(shadows: Run, place: str, shadow_name: str) -> None:
    """For people: its state, why, what else is in the way; never its arguments."""
    on(place, shadow_name, lambda shadow: shadow.add(ship, key="order 7", when=timedelta(hours=1))(4711))
    at = ("--url", place, "--shadows", shadow_name)
    said = shadows("explain", "order 7", *at)
    assert said.code == 0
    first, why, note = said.out.splitlines()
    assert first == "order 7: scheduled (ship(...))"
    assert why.startswith("  why:  it is scheduled for 20")
    assert note == "  note: no worker that is here knows the task ship"
    assert "4711" not in said.out


def test_a_parked_call_is_explained_to_programs(shadows: Run, place: str, shadow_name: str) -> None:
    """At which gate, behind whom; times are ISO 8601 in UTC."""

    async def park(shadow: Shadow) -> None:
        broker, who = shadow.backend().broker, worker()
        for key in ("first", "second"):
            await shadow.add(sync, key=key)("acme")
            (lease,) = (await broker.claim(Order(who, 1))).leases
            await broker.admit(who, [(lease, [Slots("tenant:acme", 1)])])

    on(place, shadow_name, park)
    at = ("--url", place, "--shadows", shadow_name)
    data = json.loads(shadows("explain", "second", *at, "--json").out)
    assert datetime.fromisoformat(data.pop("when")).utcoffset() == timedelta(0)
    assert "taken by first" in data.pop("says")
    assert data == {
        "shadow": shadow_name, "key": "second", "task": "sync", "state": "parked", "why": "slots",
        "notes": ["no worker that is here knows the task sync"], "remedy": None, "attempt": 1, "worker": None,
        "started": None, "ended": None, "error": None, "gate": {"kind": "slots", "name": "tenant:acme", "most": 1},
        "before": 0, "holders": ["first"], "strike": None, "workers": [],
    }  # fmt: skip


def test_a_struck_call_is_explained_to_programs(shadows: Run, place: str, shadow_name: str) -> None:
    """With the strike and its reason, and what to type."""

    async def strike(shadow: Shadow) -> None:
        await shadow.add(ship, key="k")(1)
        await shadow.strike("ship", reason="customs")
        await shadow.backend().presence.check_in(worker("packer"), ["ship"], horizon=60_000)

    on(place, shadow_name, strike)
    at = ("--url", place, "--shadows", shadow_name)
    data = json.loads(shadows("explain", "k", *at, "--json").out)
    assert (data["why"], data["strike"]) == ("struck", {"task": "ship", "reason": "customs"})
    assert data["workers"] == ["packer"]
    assert "type: shadows strikes ls" in shadows("explain", "k", *at).out


def test_a_completed_call_is_explained(shadows: Run, place: str, shadow_name: str) -> None:
    """When it was, and that nothing is to be done."""

    async def complete(shadow: Shadow) -> None:
        await shadow.add(ship, key="a\nb")(1)
        async with Worker(shadow, name="packer") as runs:
            await runs.run_until_finished()

    on(place, shadow_name, complete)
    at = ("--url", place, "--shadows", shadow_name)
    data = json.loads(shadows("explain", "a\nb", *at, "--json").out)
    assert (data["key"], data["why"], data["state"], data["worker"]) == ("a\nb", "completed", "completed", "packer")
    assert data["started"] <= data["ended"]
    said = shadows("explain", "a\nb", *at)
    assert said.out.startswith("a\\nb: completed (ship(")
    assert len(said.out.splitlines()) == 2


def test_a_key_that_nobody_knows_ends_with_3(shadows: Run, place: str, shadow_name: str) -> None:
    """In a few lines: where it was looked for, and what to type."""
    said = shadows("explain", "nobody", "--url", place, "--shadows", shadow_name)
    assert (said.code, said.out) == (3, "")
    assert f"the shadow {shadow_name} has no call 'nobody'" in said.err
    assert len(said.err.splitlines()) <= 8


def test_a_long_explanation_wraps_beside_its_name_on_a_terminal(
    shadows: Run, shadow_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In 80 columns; piped into a file it is one line."""
    place = "memory://wrapped"
    at = ("--url", place, "--shadows", shadow_name)

    async def lose(shadow: Shadow) -> None:
        await shadow.add(ship, key="k")(1)
        await shadow.backend().broker.claim(Order(worker("packer"), 1))

    on(place, shadow_name, lose)
    assert len(shadows("explain", "k", *at).out.splitlines()) == 3
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "80", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    lines = shadows("explain", "k", *at).out.splitlines()
    assert len(lines) > 3
    assert lines[1].startswith("  why:  attempt 1 started on packer")
    assert lines[2].startswith("        ")
    assert all(len(line) <= 80 for line in lines)


# Doctor


def findings(said: Said) -> dict[str, dict[str, Any]]:
    """Read what the doctor found, for programs."""
    return {one["about"]: one for one in json.loads(said.out)["findings"]}


def test_a_server_that_saves_nothing_is_wrong(shadows: Run, real_place: str, shadow_name: str) -> None:
    """The servers of these tests do; so the exit code is 1, and each line fits a terminal."""
    at = ("--url", real_place, "--shadows", shadow_name)
    said = shadows("doctor", *at)
    assert said.code == 1
    assert "wrong   persistence" in said.out
    assert "-> redis-cli CONFIG SET appendonly yes" in said.out
    assert all(len(line.rstrip()) <= 80 for line in said.out.splitlines()[:-1])
    assert said.out.splitlines()[-1].endswith("1 wrong")
    said = shadows("doctor", *at, "--json")
    assert (said.code, json.loads(said.out)["healthy"]) == (1, False)
    found = findings(said)
    assert {one["health"] for about, one in found.items() if about not in {"persistence", "workers"}} == {"well"}
    assert found["persistence"]["remedy"].startswith("redis-cli")


def test_nothing_is_wrong_in_memory(shadows: Run, shadow_name: str) -> None:
    """Notes are no failures."""
    said = shadows("doctor", "--url", "memory://doctor", "--shadows", shadow_name)
    assert said.code == 0
    assert said.out.splitlines()[-1].endswith("nothing is wrong")
    assert json.loads(shadows("doctor", "--url", "memory://doctor", "--json").out)["healthy"] is True


@pytest.fixture
def clerk(one_place: str) -> Any:
    """Give a function that makes a user with few rights, and the URL to come as that one."""
    client = redis.Redis.from_url(one_place)

    def make(*rules: str) -> str:
        client.execute_command("ACL", "SETUSER", "clerk", "reset", "resetchannels", "on", ">pass", *rules)
        return one_place.replace("//", "//clerk:pass@")

    yield make
    client.acl_deluser("clerk")
    client.close()


def test_missing_rights_are_named_though_nothing_else_can_be_seen(
    shadows: Run, clerk: Callable[..., str], shadow_name: str
) -> None:
    """FAULT 68: with the rule that grants them; the shadow itself stays unseen."""
    place = clerk("+@all", "-xadd", "-evalsha", "-eval", f"~{shadow_name}:*", f"&{shadow_name}:*")
    said = shadows("doctor", "--url", place, "--shadows", shadow_name, "--json")
    assert said.code == 1
    found = findings(said)
    assert (found["rights"]["health"], found["rights"]["remedy"]) == ("wrong", "ACL SETUSER clerk +evalsha +xadd")
    assert found["shadow"]["health"] == "unseen"
    assert "pass" not in said.out.replace(shadow_name, "")


def test_a_server_that_hides_itself_is_told_as_that(shadows: Run, clerk: Callable[..., str], shadow_name: str) -> None:
    """A managed server: what could not be seen is not well, and not wrong."""
    place = clerk("+@all", "-info", "-config", "-acl", "-multi", "allkeys", "allchannels")
    said = shadows("doctor", "--url", place, "--shadows", shadow_name, "--json")
    assert said.code == 0
    unseen = {about for about, one in findings(said).items() if one["health"] == "unseen"}
    assert unseen == {"role", "persistence", "eviction", "memory", "rights", "connections"}


def test_whoever_overwrites_our_keys_is_found_out(shadows: Run, one_place: str, shadow_name: str) -> None:
    """FAULT 51: the key is named."""
    with redis.Redis.from_url(one_place) as client:
        client.set(f"{shadow_name}:stream", "junk")
        said = shadows("doctor", "--url", one_place, "--shadows", shadow_name, "--json")
        client.delete(f"{shadow_name}:stream")
    assert said.code == 1
    assert f"{shadow_name}:stream" in findings(said)["keys"]["says"]


def test_a_server_that_is_away_ends_with_69(shadows: Run) -> None:
    """There is nothing to examine."""
    said = shadows("doctor", "--url", "redis://127.0.0.1:1/0")
    assert said.code == 69
    assert len(said.err.splitlines()) <= 8


def test_what_is_no_redis_at_all_ends_with_78(shadows: Run) -> None:
    """FAULT 60: a web server, for example."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async def run() -> Said:
        listening = Listening(answer)
        listening.open()
        try:
            return await asyncio.to_thread(shadows, "doctor", "--url", f"redis://127.0.0.1:{listening.port}/0")
        finally:
            await listening.close()

    said = asyncio.run(run())
    assert said.code == 78
    assert "does not speak Redis" in said.err
