"""The patterns for concurrency control run as printed (seed 004), on memory, a Redis and a Valkey.

Whoever may run stays in its body until all others are parked: so those that shall run in parallel do, and no more
of them.  Then they are let go, and the others follow.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from shadows import ConfigurationError, Execution, ExecutionState, Shadow
from tests.system.conftest import empty_database, until
from tests.system.programs import PATIENCE
from tests.system.reading import SEEDS, Notebook
from tests.system.workers import Remembering, at_work

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from tests.system.reading import Reader

pytestmark = pytest.mark.skipif(not SEEDS.is_dir(), reason=f"{SEEDS} is not there")


@attrs.define
class Site:
    """Where bodies are at work until they are let go."""

    here: Counter[object] = attrs.field(factory=Counter[object])
    """how many are at work at this moment, for each thing that they say they are about"""
    most: Counter[object] = attrs.field(factory=Counter[object])
    """how many there have been at once"""
    bodies: int = 0
    """how many are at work at this moment, whatever they are about"""
    done: Counter[object] = attrs.field(factory=Counter[object])
    _opened: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def work(self, *about: object) -> None:
        """Stay until `let_go`; those who come later stay for a moment, so that too many would meet."""
        self.bodies += 1
        self.here.update(about)
        self.most |= self.here
        try:
            await self._opened.wait()
            await asyncio.sleep(0.01)
        finally:
            self.bodies -= 1
            self.here.subtract(about)
        self.done.update(about)

    def let_go(self) -> None:
        """Let all go on."""
        self._opened.set()


@attrs.define
class Yard:
    """A shadow that remembers what it placed, a worker for it, and where the bodies are."""

    shadows: Remembering
    site: Site = attrs.field(factory=Site)

    async def holds(self, *, running: int, parked: int) -> None:
        """Wait until exactly so many run and so many are parked."""
        wanted = Counter({ExecutionState.RUNNING: running, ExecutionState.PARKED: parked})
        seen: list[Counter[ExecutionState | None]] = []

        async def all_are_there() -> bool:
            for execution in self.shadows.placed:
                await execution.sync()
            seen[:] = [Counter(execution.state for execution in self.shadows.placed)]
            return seen[0] == wanted and self.site.bodies == running

        try:
            await until(all_are_there)
        except TimeoutError:
            raise AssertionError(f"{seen} instead of {wanted}; at work: {self.site.here}") from None

    async def ends(self) -> list[Execution[Any]]:
        """Let all go on, wait until each has ended well, and see that no slot is held."""
        self.site.let_go()
        for execution in self.shadows.placed:
            await execution.get_result(timeout=PATIENCE)
        assert (await self.shadows.shadow.snapshot()).total_tasks == 0
        assert await slots(self.shadows.shadow) == {}
        return self.shadows.placed


async def slots(shadow: Shadow) -> dict[str, int]:
    """Give the sets of slots on the server, and how many are taken in each; none on memory."""
    try:
        client = shadow.redis()
    except ConfigurationError:
        return {}
    async with client:
        prefix = f"{shadow.name}:concurrency:"
        names: list[bytes] = await client.keys(f"{prefix}*")
        return {name.decode().removeprefix(prefix): await client.scard(name) for name in names}


@asynccontextmanager
async def yard(typing: Reader) -> AsyncGenerator[Yard]:
    """Open the default shadow, for the reader too, with a worker that has more room than any limit."""
    async with Shadow() as shadow, at_work(shadow, concurrency=30):
        opened = Yard(Remembering(shadow))
        typing.names["shadows"] = opened.shadows
        yield opened


def most_at_once(executions: list[Execution[Any]]) -> int:
    """Give how many of them ran at the same time, by the history that the broker kept."""
    moments = [
        (moment, step)
        for one in executions
        for moment, step in ((one.started_at, 1), (one.completed_at, -1))
        if moment is not None
    ]
    assert len(moments) == 2 * len(executions)
    running = most = 0
    for _, step in sorted(moments):
        running += step
        most = max(most, running)
    return most


async def test_basic_concurrency_limits(reader: Callable[[str], Reader]) -> None:
    """One call for a customer at a time, in order of arrival; other customers meanwhile."""
    typing, notes = reader("004"), Notebook()
    async with yard(typing) as opened:
        site = opened.site
        typing.names.update(notes.functions("recalculate_customer_metrics"), update_customer_profile=site.work)
        await typing.types(16)
        await opened.holds(running=3, parked=2)
        assert site.here == Counter([1001, 2001, 3001])
        executions = await opened.ends()
    assert site.most == Counter([1001, 2001, 3001])
    assert site.done == Counter([1001, 1001, 1001, 2001, 3001])
    assert len(notes.calls) == 5
    same = executions[:3]
    assert most_at_once(same) == 1
    starts = [one.started_at for one in same if one.started_at is not None]
    assert starts == sorted(starts)


async def test_database_connection_pooling(reader: Callable[[str], Reader]) -> None:
    """Ten backups: two at once for each database, both databases in parallel."""
    typing, notes = reader("004"), Notebook()
    async with yard(typing) as opened:
        site = opened.site
        typing.names.update(notes.functions("verify_backup_integrity"))

        async def create_table_backup(db_name: str, table_name: str) -> None:
            await site.work(db_name)

        typing.names["create_table_backup"] = create_table_backup
        await typing.types(17)
        await opened.holds(running=4, parked=6)
        assert site.here == Counter(production=2, staging=2)
        executions = await opened.ends()
    assert site.most == Counter(production=2, staging=2)
    tables = ("users", "orders", "products", "analytics", "logs")
    every = [("verify_backup_integrity", base, table) for base in ("production", "staging") for table in tables]
    assert sorted(notes.calls) == sorted(every)
    assert most_at_once([one for one in executions if one.args[0] == "production"]) == 2


async def test_api_rate_limiting(reader: Callable[[str], Reader]) -> None:
    """Five at once for each service.  The printed calls are fewer; with five more, two of them wait."""
    typing, notes = reader("004"), Notebook()
    async with yard(typing) as opened:
        site = opened.site

        def get_api_client(service_name: str) -> SimpleNamespace:
            async def sync_user(user_data: object) -> None:
                await site.work(service_name)

            return SimpleNamespace(sync_user=sync_user)

        typing.names.update(notes.functions("fetch_user_data"), get_api_client=get_api_client)
        await typing.types(18)
        await opened.holds(running=3, parked=0)
        assert site.here == Counter(salesforce=2, hubspot=1)
        for user in range(5):
            await opened.shadows.add(typing.names["sync_user_with_external_service"])(user, "salesforce")
        await opened.holds(running=6, parked=2)
        assert site.here == Counter(salesforce=5, hubspot=1)
        await opened.ends()
    assert site.most == Counter(salesforce=5, hubspot=1)
    assert sorted(notes.calls) == sorted(("fetch_user_data", user) for user in (123, 456, 789, *range(5)))


async def test_file_processing_limits(reader: Callable[[str], Reader]) -> None:
    """Three files at once for each operation.  The printed calls all run; with more, those beyond three wait."""
    typing = reader("004")
    async with yard(typing) as opened:
        site = opened.site
        operations = {"transcode_video": "video", "resize_image": "image", "compress_audio": "audio"}
        for function, operation in operations.items():
            typing.names[function] = partial(work_on_file, site, operation)
        await typing.types(19)
        await opened.holds(running=3, parked=0)
        assert site.here == Counter(video=2, image=1)
        process = opened.shadows.add(typing.names["process_media_file"])
        for number in range(3):
            await process(f"/videos/more{number}.mp4", "video_transcode")
        await process(file_path="/sound/track.wav", operation_type="audio_compress")
        await opened.holds(running=5, parked=2)
        assert site.here == Counter(video=3, image=1, audio=1)
        await opened.ends()
    assert site.most == Counter(video=3, image=1, audio=1)
    assert site.done == Counter(video=5, image=1, audio=1)


async def work_on_file(site: Site, operation: str, file_path: str) -> None:
    """Stand for what reads and writes the file."""
    await site.work(operation)


async def test_custom_scopes(reader: Callable[[str], Reader]) -> None:
    """Two operations for each tenant, one for each type of data; neither limit counts the other's calls."""
    typing = reader("004")
    async with yard(typing) as opened:
        site = opened.site

        async def perform_tenant_operation(tenant_id: str, operation: str) -> None:
            await site.work(("tenant", tenant_id))

        async def process_global_data_type(data_type: str) -> None:
            await site.work(("global", data_type))

        typing.names["perform_tenant_operation"] = perform_tenant_operation
        typing.names["process_global_data_type"] = process_global_data_type
        await typing.types(20)
        for tenant, operation in (("acme", "index"), ("acme", "export"), ("acme", "purge"), ("other", "index")):
            await opened.shadows.add(typing.names["process_tenant_data"])(tenant, operation)
        for kind in ("acme", "acme", "users"):
            await opened.shadows.add(typing.names["process_global_data"])(kind)
        await opened.holds(running=5, parked=2)
        expected = {("tenant", "acme"): 2, ("tenant", "other"): 1, ("global", "acme"): 1, ("global", "users"): 1}
        assert site.here == Counter(expected)
        await opened.ends()
    assert site.most == Counter(expected)
    assert site.done == Counter({**expected, ("tenant", "acme"): 3, ("global", "acme"): 2})


async def test_multi_level_concurrency(reader: Callable[[str], Reader]) -> None:
    """A call runs when its user, its type and its region have room: one, three and ten."""
    typing = reader("004")
    async with yard(typing) as opened:
        site = opened.site

        async def generate_user_export(user_id: int, export_type: str, region: str) -> None:
            await site.work(f"user {user_id}", export_type, region)

        typing.names["generate_user_export"] = generate_user_export
        await typing.types(21)
        export = opened.shadows.add(typing.names["process_user_export"])
        for user, kind in enumerate(["csv", "pdf", "xml", "zip"] * 3):
            await export(user, kind, "eu")
        await opened.holds(running=10, parked=2)  # two of the twelve find no room in their region
        assert site.here["eu"] == 10
        await export(0, "raw", "us")  # one export for this user runs
        await export(100, "csv", "us")  # three of this type run
        await export(101, "raw", "us")  # runs
        await opened.holds(running=11, parked=4)
        assert (site.here["user 0"], site.here["csv"], site.here["us"]) == (1, 3, 1)
        await opened.ends()
    users = [most for about, most in site.most.items() if str(about).startswith("user ")]
    assert users == [1] * 14
    assert site.most["csv"] == 3
    assert all(site.most[kind] <= 3 for kind in ("pdf", "xml", "zip", "raw"))
    assert site.most["eu"] == 10
    assert site.done["eu"] + site.done["us"] == 15


async def test_monitoring_concurrency(
    reader: Callable[[str], Reader], place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The documented sets hold who runs; they are gone when nobody does.  There is no server behind memory."""
    typing, notes = reader("004"), Notebook()
    monkeypatch.setenv("SHADOW_URL", empty_database(place))
    monkeypatch.setenv("SHADOW_NAME", "shadows")  # which the printed keys begin with
    async with yard(typing) as opened:
        typing.names.update(notes.functions("recalculate_customer_metrics"), update_customer_profile=opened.site.work)
        await typing.types(16)
        await typing.types(22)
        await opened.holds(running=3, parked=2)
        monitor = typing.names["monitor_concurrency_usage"]
        if place.startswith("memory:"):
            with pytest.raises(ConfigurationError, match="no server"):
                await monitor()
            await opened.ends()
            return
        await monitor()
        first, *others = capsys.readouterr().out.splitlines()
        assert first == "Customer 1001 has 1 active tasks"
        found = [
            re.fullmatch(r"(?:b')?shadows:concurrency:customer_id:(\d+)'?: 1 active tasks", line) for line in others
        ]
        assert sorted(line[1] for line in found if line is not None) == ["1001", "2001", "3001"]
        assert len(others) == 3
        await opened.ends()
        await monitor()
        assert capsys.readouterr().out == "Customer 1001 has 0 active tasks\n"
