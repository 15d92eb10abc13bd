"""Outcomes in a store of py-key-value-aio instead of the broker (issue 6, SEMANTICS, Around)."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import warnings
from base64 import b64encode
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from key_value.aio.stores.filetree import FileTreeStore
from key_value.aio.stores.memory import MemoryStore
from key_value.aio.stores.redis import RedisStore

from shadows import (
    ConfigurationError,
    ExecutionState,
    NotAuthentic,
    Perpetual,
    ResultUnavailable,
    Retry,
    Shadow,
    TaskFailed,
    Undecodable,
    in_process,
)
from shadows.core import outcome, verdict
from shadows.engine import shelf
from shadows.ports.looking import Part
from tests.contract.acts import settle
from tests.contract.acts import worker as holder
from tests.front.acts import comes_true, finish, heard, state_of, working

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from shadows import Execution
    from shadows.ports.looking import Record
    from tests.front.places import Place, ServerPlace

SOON = timedelta(milliseconds=150)
SECRET = "a-secret-of-more-than-sixteen-bytes"  # noqa: S105 - of a test


@attrs.define
class Store:
    """A store in memory that can be away, hang, or be looked into."""

    inner: MemoryStore = attrs.field(factory=MemoryStore)
    fails: int = 0
    """so many times in a row"""
    error: type[Exception] = ConnectionError
    asked: asyncio.Event = attrs.field(factory=asyncio.Event)
    puts: list[tuple[str, str | None, float | None]] = attrs.field(factory=list)
    gone: list[str] = attrs.field(factory=list)
    _goes_on: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self.hangs = False

    @property
    def hangs(self) -> bool:
        """It answers nobody."""
        return not self._goes_on.is_set()

    @hangs.setter
    def hangs(self, whether: bool) -> None:
        (self._goes_on.clear if whether else self._goes_on.set)()

    async def put(
        self, key: str, value: Mapping[str, Any], *, collection: str | None = None, ttl: float | None = None
    ) -> None:
        self.puts.append((key, collection, ttl))
        await self._trouble()
        await self.inner.put(key, value, collection=collection, ttl=ttl)

    async def get(self, key: str, *, collection: str | None = None) -> dict[str, Any] | None:
        await self._trouble()
        found: dict[str, Any] | None = await self.inner.get(key, collection=collection)
        return found

    async def delete(self, key: str, *, collection: str | None = None) -> bool:
        await self._trouble()
        self.gone.append(key)
        found: bool = await self.inner.delete(key, collection=collection)
        return found

    async def names(self, shadows: Shadow) -> list[str]:
        return await self.inner.keys(f"shadows-{shadows.name}")

    async def _trouble(self) -> None:
        self.asked.set()
        if self.fails:
            self.fails -= 1
            raise self.error("the store is away")
        await self._goes_on.wait()


ran: list[str] = []


async def say(word: str) -> str:
    ran.append(word)
    return word


async def refuse(word: str) -> None:
    ran.append(word)
    raise LookupError(word)


def shout(word: str) -> str:
    return word.upper()


@in_process
def whisper(word: str) -> str:
    return word.lower()


async def again(word: str, retry: Retry = Retry(attempts=3)) -> str:
    ran.append(word)
    if retry.attempt < 3:
        raise LookupError(word)
    return word


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@pytest.fixture
def store() -> Store:
    return Store()


async def record_of(shadows: Shadow, key: str) -> Record:
    record = await shadows.backend().broker.read(key, Part.RESULT)
    assert record is not None
    return record


async def test_a_result_and_an_exception_come_back_from_the_store(place: Place, store: Store) -> None:
    """The broker has but a name; asyncio tasks, threads and processes alike."""
    async with place.shadow(result_storage=store) as shadows:
        told = [await shadows.add(task, key=task.__name__)("Word" * 50) for task in (say, shout, whisper)]
        failed = await shadows.add(refuse, key="r")("no entry")
        nothing = await shadows.add(_nothing)()
        await finish(shadows)
        assert [await each.get_result() for each in told] == ["Word" * 50, "WORD" * 50, "word" * 50]
        assert await told[0].get_result(timeout=5) == "Word" * 50  # as often as one likes
        with pytest.raises(LookupError, match="no entry"):
            await failed.get_result()
        assert await _result(nothing) is None
        assert len(await store.names(shadows)) == 4  # None takes no room anywhere
        raw = (await record_of(shadows, "say")).result or b""
        assert b"Word" not in raw
        found = await shadows.get_execution("r")
        assert found is not None
        assert (found.state, found.error) == (
            ExecutionState.FAILED,
            "LookupError: no entry",
        )  # without a look at the store


async def _nothing() -> None: ...


async def _result(execution: Execution[Any]) -> object:
    return await execution.get_result(timeout=5)


async def test_a_store_keeps_it_no_longer_than_the_record(place: Place, store: Store) -> None:
    """Its lifetime is that of the record, and the time that may pass between the two."""
    async with place.shadow(result_storage=store, execution_ttl=timedelta(minutes=2)) as shadows:
        await shadows.add(say)("word")
        await finish(shadows)
        ((key, collection, ttl),) = store.puts
        assert (collection, ttl) == (f"shadows-{shadows.name}", 150.0)
        assert len(key) < 120
        assert set(key) <= set("0123456789abcdef-")


@pytest.mark.parametrize("key", ["a", "\0", "../../etc/passwd", "é" * 256, "A B:c*%"])
async def test_any_key_does_for_any_store(place: Place, tmp_path: Path, key: str) -> None:
    """Also one that no file could be called."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its authors do not call it stable
        files = FileTreeStore(data_directory=tmp_path)
    async with place.shadow(result_storage=files) as shadows:
        execution = await shadows.add(say, key=key)("word")
        await finish(shadows)
        assert await execution.get_result() == "word"
    assert not any("word" in text for text in _texts(tmp_path))  # nor does it lie there for all to read


def _texts(folder: Path) -> list[str]:
    texts = [path.read_text() for path in folder.rglob("*") if path.is_file()]
    assert texts
    return texts


async def test_a_store_on_a_real_server(far: ServerPlace, place: Place) -> None:
    """It may be the same server as the shadow's, or another one; it stays its owner's to close."""
    redis = RedisStore(url=far.url.partition("?")[0])
    async with redis:
        async with place.shadow(result_storage=redis) as shadows:
            told = await shadows.add(say)("word"), await shadows.add(refuse)("no")
            await finish(shadows)
        async with place.shadow(result_storage=redis) as reader:
            found = await reader.get_execution(told[0].key)
            assert found is not None
            assert await found.get_result() == "word"
            failed = await reader.get_execution(told[1].key)
            assert failed is not None
            with pytest.raises(LookupError, match="no"):
                await failed.get_result()
        client = redis._client
        names = [name async for name in client.scan_iter(f"shadows-{place.name}*")]
        assert len(names) == 2
        lifetimes = [await client.ttl(name) for name in names]
        assert all(0 < each <= 930 for each in lifetimes)
        await client.delete(*names)


async def test_a_store_that_comes_back_has_the_result(place: Place, store: Store) -> None:
    """It is asked again, and the body is not run again."""
    store.fails = 3
    async with place.shadow(result_storage=store) as shadows:
        execution = await shadows.add(say)("word")
        await finish(shadows)
        store.fails = 2
        assert await execution.get_result() == "word"
    assert (ran, len(store.puts)) == (["word"], 4)


async def test_a_store_that_stays_away_ends_the_run_without_its_result(
    place: Place, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """SEMANTICS: completed, with ``result_unavailable``; the body never runs again."""
    store.fails = 1_000
    async with place.shadow(result_storage=store, result_deadline=SOON) as shadows:
        execution = await shadows.add(say, key="k")("word")
        failed = await shadows.add(refuse)("no entry")
        with caplog.at_level(logging.ERROR, "shadows.worker"):
            await finish(shadows)
        with pytest.raises(ResultUnavailable, match=r"'k' has completed, but its result could not be stored: Conn"):
            await execution.get_result()
        with pytest.raises(TaskFailed, match="failed with LookupError: no entry; the exception itself could not"):
            await failed.get_result()
        assert (execution.state, execution.error) == (ExecutionState.COMPLETED, "result_unavailable")
        assert (failed.state, failed.error) == (ExecutionState.FAILED, "LookupError: no entry")
    assert sorted(ran) == ["no entry", "word"]
    assert (
        "say: the outcome of k is lost, for it could not be stored: ConnectionError: the store is away" in caplog.text
    )


async def test_a_store_that_refuses_a_value_is_not_asked_again(place: Place, store: Store) -> None:
    """Nor does the slot wait for what cannot be."""
    store.fails, store.error = 1, TypeError
    async with place.shadow(result_storage=store) as shadows:
        execution = await shadows.add(say)("word")
        await finish(shadows)
        with pytest.raises(ResultUnavailable, match="TypeError: the store is away"):
            await execution.get_result()
    assert len(store.puts) == 1


async def test_a_store_that_hangs_costs_its_own_slot_and_no_lease(
    place: Place, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other calls run meanwhile, the lease is renewed, and a try that hangs is given up for another one."""
    monkeypatch.setattr(shelf, "TRY", 0.05)
    store.hangs = True
    async with place.shadow(result_storage=store) as shadows:
        execution = await shadows.add(say, key="k")("word")
        async with working(shadows, within=timedelta(seconds=5), redelivery_timeout=timedelta(milliseconds=200)):
            await heard(store.asked)
            other = await shadows.add(_nothing)()
            assert await _result(other) is None
            await comes_true(lambda: len(store.puts) > 3)
            await asyncio.sleep(0.4)  # two leases long
            assert await state_of(shadows, "k") == "running"
            store.hangs = False
            assert await execution.get_result(timeout=10) == "word"
    assert ran == ["word"]


async def test_a_cancel_that_comes_when_the_body_has_ended_changes_nothing(place: Place, store: Store) -> None:
    """The run ends as what it returned, as if it had been stored at once."""
    store.hangs = True
    async with place.shadow(result_storage=store) as shadows:
        execution = await shadows.add(say, key="k")("word")
        async with working(shadows, within=timedelta(seconds=5)) as worker:
            await heard(store.asked)
            await shadows.cancel("k")
            other = await shadows.add(_nothing)()
            await other.get_result(timeout=5)  # the worker has heard of it by then
            assert worker._loop is not None
            (attempt,) = worker._loop.running.values()
            assert attempt.task is not None
            attempt.task.cancel()  # nor does whoever insists
            store.hangs = False
            assert await execution.get_result(timeout=5) == "word"
    assert (execution.state, ran) == (ExecutionState.COMPLETED, ["word"])


async def test_a_worker_that_has_to_leave_runs_nothing_twice(place: Place, store: Store) -> None:
    """At the drain limit storing has a moment; then the run ends without its result."""
    store.hangs = True
    async with place.shadow(result_storage=store) as shadows:
        execution = await shadows.add(say)("word")
        async with working(shadows):
            await heard(store.asked)
        store.hangs = False
        await finish(shadows)
        with pytest.raises(ResultUnavailable, match="the worker had to leave"):
            await execution.get_result()
    assert ran == ["word"]


async def test_a_run_that_was_settled_by_another_deletes_its_own(place: Place, store: Store) -> None:
    """What nobody names is not left to lie there."""
    store.hangs = True
    async with place.shadow(result_storage=store) as shadows:
        execution = await shadows.add(say, key="k")("mine")
        async with working(shadows, within=timedelta(seconds=5)) as worker:
            await heard(store.asked)
            assert worker._loop is not None
            (attempt,) = worker._loop.running.values()
            await settle(shadows.backend().broker, holder(), attempt.lease, verdict.completed("say"))
            store.hangs = False
            await comes_true(lambda: bool(store.gone))
        assert await _result(execution) is None
        assert await store.names(shadows) == []


async def test_a_run_whose_lease_is_lost_deletes_its_own(place: Place, store: Store) -> None:
    """Also while it is being stored."""
    store.hangs = True
    async with place.shadow(result_storage=store) as shadows:
        await shadows.add(say, key="k")("mine")
        async with working(shadows, within=timedelta(seconds=5)) as worker:
            await heard(store.asked)
            assert worker._loop is not None
            (attempt,) = worker._loop.running.values()
            await settle(shadows.backend().broker, holder(), attempt.lease, verdict.completed("say"))
            worker._loop.lose(frozenset([attempt.lease.token]))
            await comes_true(lambda: worker._loop is not None and not worker._loop.running)
            store.hangs = False
            await comes_true(lambda: bool(store.gone))
        assert await store.names(shadows) == []


async def test_what_cannot_be_deleted_is_left_to_expire(place: Place, store: Store) -> None:
    """And nobody waits for it longer than for a broken connection."""
    deadline = timedelta(seconds=2)  # until then it is still being stored when somebody else settles
    async with place.shadow(result_storage=store, result_deadline=deadline) as shadows:
        await shadows.add(say, key="k")("mine")
        store.hangs = True
        async with working(shadows, within=timedelta(seconds=5)) as worker:
            await heard(store.asked)
            assert worker._loop is not None
            (attempt,) = worker._loop.running.values()
            await settle(shadows.backend().broker, holder(), attempt.lease, verdict.completed("say"))
            store.hangs, store.fails = False, 0
            store.inner.delete = _away
            await comes_true(lambda: bool(store.gone))
        assert len(await store.names(shadows)) == 1


async def _away(*_: object, **__: object) -> bool:
    raise ConnectionError("away")


async def test_the_end_of_a_client_does_not_wait_for_a_store_that_hangs(
    place: Place, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it still had to delete expires."""
    monkeypatch.setattr(shelf, "TRY", 0.1)
    async with place.shadow(result_storage=store) as shadows:
        store.hangs = True
        named = outcome.pack(outcome.stored("-", "0-1", b""))
        shadows.opened().access.shelf.drop(verdict.completed("say", named))
        await heard(store.asked)


async def test_attempts_that_are_tried_again_store_nothing(place: Place, store: Store) -> None:
    """Only what ends a run is its outcome."""
    async with place.shadow(result_storage=store) as shadows:
        execution = await shadows.add(again)("word")
        await finish(shadows)
        assert await execution.get_result() == "word"
    assert (ran, len(store.puts)) == (["word"] * 3, 1)


async def test_each_occurrence_has_its_own(place: Place, store: Store) -> None:
    """A handle answers for the run that it was returned for."""

    async def count(number: int, perpetual: Perpetual = Perpetual()) -> int:
        if number < 3:
            perpetual.perpetuate(number + 1)
        else:
            perpetual.cancel()
        return number

    async with place.shadow(result_storage=store) as shadows:
        execution = await shadows.add(count, key="k")(1)
        await finish(shadows)
        assert await execution.get_result() == 1
        last = await shadows.get_execution("k")
        assert last is not None
        assert await last.get_result() == 3


async def test_a_shadow_that_keeps_no_records_stores_nothing(place: Place, store: Store) -> None:
    """``execution_ttl=0``: nobody could ask for it."""
    async with place.shadow(result_storage=store, execution_ttl=timedelta(0)) as shadows:
        await shadows.add(say)("word")
        await finish(shadows)
    assert (ran, store.puts) == (["word"], [])


async def test_a_result_that_is_too_large_fails_before_it_is_stored(place: Place, store: Store) -> None:
    """The limit is the same."""
    async with place.shadow(result_storage=store, max_result=100) as shadows:
        execution = await shadows.add(say)("x" * 200)
        await finish(shadows)
        with pytest.raises(TypeError, match="100 are allowed"):
            await execution.get_result()


async def test_who_has_no_store_is_told_so(place: Place, store: Store) -> None:
    """Not that there is no result."""
    async with place.shadow(result_storage=store) as shadows, place.shadow() as reader:
        execution = await shadows.add(say, key="k")("word")
        await finish(shadows)
        await execution.get_result()
        found = await reader.get_execution("k")
        assert found is not None
        with pytest.raises(ResultUnavailable, match=r"'k' lies in a result storage.*SHADOW_RESULT_STORAGE"):
            await found.get_result()


async def test_what_the_store_has_lost_is_told(place: Place, store: Store) -> None:
    """It may have expired there, or somebody has swept up."""
    async with place.shadow(result_storage=store) as shadows:
        execution = await shadows.add(say, key="k")("word")
        await finish(shadows)
        (name,) = await store.names(shadows)
        await store.inner.delete(name, collection=f"shadows-{shadows.name}")
        with pytest.raises(ResultUnavailable, match="'k' is not in the result storage any more"):
            await execution.get_result()


async def test_a_store_that_is_away_is_told_to_who_waits(place: Place, store: Store) -> None:
    """Within their own time."""
    async with place.shadow(result_storage=store, result_deadline=SOON) as shadows:
        execution = await shadows.add(say, key="k")("word")
        await finish(shadows)
        store.fails = 1_000
        with pytest.raises(ResultUnavailable, match="cannot be read from the result storage now: ConnectionError"):
            await execution.get_result()
        store.fails, store.hangs = 0, True
        with pytest.raises(ResultUnavailable, match="now: TimeoutError: it does not answer"):
            await execution.get_result()
    async with place.shadow(result_storage=store) as patient:
        found = await patient.get_execution("k")
        assert found is not None
        with pytest.raises(TimeoutError, match="'k' has ended, but its result could not be read in time"):
            await found.get_result(timeout=1)


class Canary:
    """Whoever decodes it hears it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return ran.append, ("canary",)


@pytest.mark.parametrize(
    "value", [{}, {"data": 5}, {"data": "*"}, {"data": "AAAA"}, {"data": ""}, {"data": "AXMtAzAtMQ=="}]
)
async def test_what_is_not_ours_in_the_store_is_refused(place: Place, store: Store, value: dict[str, Any]) -> None:
    """Garbled, empty, or pointing on: each is a clear error."""
    async with place.shadow(result_storage=store) as shadows:
        execution = await shadows.add(say)("word")
        await finish(shadows)
        (name,) = await store.names(shadows)
        await store.inner.put(name, value, collection=f"shadows-{shadows.name}")
        with pytest.raises(Undecodable):
            await execution.get_result()


async def test_a_store_that_gives_no_mapping_is_refused(place: Place, store: Store) -> None:
    """Whatever calls itself one."""
    async with place.shadow(result_storage=store) as shadows:
        execution = await shadows.add(say)("word")
        await finish(shadows)
        store.inner.get = _text
        with pytest.raises(Undecodable, match="was not written by shadows"):
            await execution.get_result()


async def _text(*_: object, **__: object) -> Any:
    return "text"


@pytest.mark.parametrize("seal", ["sign", "encrypt"])
async def test_nothing_forged_in_a_store_is_decoded(place: Place, store: Store, seal: str) -> None:
    """FAULT 48: unsigned, or another run's own."""
    async with place.shadow(result_storage=store, secret=SECRET, seal=seal) as shadows:
        mine, other = await shadows.add(say, key="k")("mine"), await shadows.add(say)("other")
        failed = await shadows.add(refuse)("no entry")
        await finish(shadows)
        assert (await mine.get_result(), await other.get_result()) == ("mine", "other")
        with pytest.raises(LookupError):
            await failed.get_result()
        assert failed.error == "LookupError: no entry"
        collection = f"shadows-{shadows.name}"
        theirs = await store.inner.get(_name_in(await record_of(shadows, other.key)), collection=collection)
        name = _name_in(await record_of(shadows, "k"))
        assert theirs is not None
        forged = outcome.pack(outcome.returned("p", pickle.dumps(Canary())))
        for value in ({"data": b64encode(forged).decode()}, theirs):
            await store.inner.put(name, value, collection=collection)
            with pytest.raises(NotAuthentic):
                await mine.get_result()
    assert "canary" not in ran


def _name_in(record: Record) -> str:
    return outcome.stored_name(record.result or b"")


async def test_two_shadows_may_share_a_store(place: Place, store: Store) -> None:
    """Each has a collection of its own; also runs with the same key and fence."""
    name = f"{place.name}-2"
    async with place.shadow(result_storage=store) as one, Shadow(name, place.url, result_storage=store) as two:
        told = [await each.add(say, key="k")(each.name) for each in (one, two)]
        await finish(one)
        await finish(two)
        assert [await each.get_result() for each in told] == [one.name, two.name]
    place.sweep_too(name)


results = MemoryStore()
no_store = json


async def test_the_environment_may_name_a_store(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a worker's process has it; it is imported when the shadow is entered."""
    monkeypatch.setenv("SHADOW_RESULT_STORAGE", f"{__name__}:results")
    async with place.shadow() as shadows:
        execution = await shadows.add(say)("word")
        await finish(shadows)
        assert await execution.get_result() == "word"
        assert len(await results.keys(f"shadows-{shadows.name}")) == 1


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (f"{__name__}:result", "has no 'result'; did you mean results?"),
        (f"{__name__}:nowhere", "has no 'nowhere'; define it there: a store of py-key-value-aio"),
        (f"{__name__}:no_store", "takes a store of py-key-value-aio .* not module"),
        (f"{__name__}:Store", r"not the class Store; make one: Store\(\)"),
        ("nowhere_at_all:results", "there is no module 'nowhere_at_all'"),
        ("tests.no_module_but_a_fault:results", "there is no module 'tests.no_module_but_a_fault'"),
        (
            "tests.front.broken_storage:results",
            "result_storage='tests.front.broken_storage:results': OSError: the disk is full",
        ),
        (f"{__name__}", "names no store; write module:attribute"),
    ],
)
async def test_a_path_that_leads_to_no_store_is_refused(place: Place, path: str, why: str) -> None:
    """Before anything is done."""
    with pytest.raises(ConfigurationError, match=why):
        async with place.shadow(result_storage=path):
            pass


@pytest.mark.parametrize("wrong", [5, MemoryStore, object()])
def test_what_is_no_store_is_refused(place: Place, wrong: object) -> None:
    """The text says what is wanted."""
    with pytest.raises(TypeError, match="result_storage takes a store"):
        place.shadow(result_storage=wrong)
