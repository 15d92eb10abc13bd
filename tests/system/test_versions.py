"""Versions side by side: what the first version of the wire left on a server is run by the workers of today.

`python -m tests.system.test_versions` writes the file of it anew; do that only while nobody has shipped it.  A later
version keeps this file and adds its own.  The other direction, messages of today under the code of yesterday, is tried
with the code of the commit that wrote the file.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from shadows import Shadow, Worker
from tests.servers import Server, available
from tests.system.fire import history
from tests.system.fire.arena import Arena, until
from tests.system.fire.checks import wrong
from tests.system.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.system.fire.crew import Hand

STORED = Path(__file__).parents[1] / "unit" / "fixtures" / "wire-1" / "shadow.json"
NAME = "versions"
LATER = timedelta(seconds=2)


async def write(url: str) -> None:
    """Place a call of every kind that a server keeps in a way of its own, and start nothing."""
    long = "x" * 100
    async with Shadow(NAME, url) as shadows:
        shadows.register(note)
        await shadows.add(note, key="short")("a")
        await shadows.add(note, key="long")(long)
        await shadows.add(note, when=LATER, key="short later")("a")
        await shadows.add(note, when=LATER, key="long later")(long)
        await shadows.add(note, when=LATER, key="replaced")("a")
        await shadows.replace(note, LATER, "replaced")("b")
        await shadows.add(note, when=LATER, key="cancelled")("a")
        await shadows.cancel("cancelled")
        await shadows.add(note, key="struck")("struck")
        await shadows.strike("note", where={"word": ("==", "struck")}, reason="why")


def flat(fields: Mapping[bytes, bytes]) -> list[bytes]:
    """Return names and values in turn."""
    return [part for pair in fields.items() for part in pair]


def commands(line: Any) -> list[list[bytes]]:
    """Return commands that put the keys of a server there again."""
    found: list[list[bytes]] = []
    for key in sorted(line.keys("*")):
        match line.type(key):
            case b"string":
                found.append([b"SET", key, line.get(key)])
            case b"hash":
                found.append([b"HSET", key, *flat(line.hgetall(key))])
            case b"zset":
                pairs = line.zrange(key, 0, -1, withscores=True)
                found.append([b"ZADD", key, *(part for name, score in pairs for part in (repr(score).encode(), name))])
            case b"stream":
                entries = line.xrange(key)
                groups = [(one["name"], one["last-delivered-id"]) for one in line.xinfo_groups(key)]
                found += [[b"XADD", key, number, *flat(entry)] for number, entry in entries]
                found += [[b"XGROUP", b"CREATE", key, *group] for group in groups]
            case b"list":
                found.append([b"RPUSH", key, *line.lrange(key, 0, -1)])
            case b"set":
                found.append([b"SADD", key, *line.smembers(key)])
            case other:
                raise AssertionError(other)
    return found


ran: list[tuple[str, str]] = []


async def note(word: str) -> str:
    """Run, and let everybody see it."""
    ran.append(("note", word))
    return word


@pytest.mark.slow
async def test_what_the_first_version_left_is_run_by_the_workers_of_today(
    own_server: Callable[..., Server], one_name: str
) -> None:
    """FAULT 80, INV 47: queued and scheduled calls, short and long ones, what was cancelled, and what is struck."""
    server = own_server(one_name)
    ran.clear()
    with redis.Redis.from_url(server.url) as line:
        for command in json.loads(STORED.read_text()):
            line.execute_command(*(base64.b64decode(part) for part in command))
    async with Shadow(NAME, server.url) as shadows, Worker(shadows) as worker:
        shadows.register(note)
        assert [strike.function for strike in await shadows.strikes()] == ["note"]
        async with asyncio.timeout(20):
            await worker.run_until_finished()
        ended = {key: await shadows.get_execution(key) for key in ("short", "long", "replaced", "struck")}
        states = {key: None if one is None else one.state for key, one in ended.items()}
    assert sorted(word for _, word in ran) == sorted(["a", "x" * 100, "a", "x" * 100, "b"])
    assert states == {"short": "completed", "long": "completed", "replaced": "completed", "struck": "cancelled"}


def git(*words: str) -> bytes:
    """Ask git something of this repository, whoever owns it."""
    command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), *words]
    return subprocess.run(command, check=True, capture_output=True).stdout


def code_that_wrote(stored: Path, to: Path) -> Path:
    """Unpack the code of the commit that wrote a stored file.

    Where the history is cut off that is the oldest commit there is, and without any today's: two trees all the same.
    """
    try:
        commit = git("log", "-1", "--format=%H", "--", str(stored.relative_to(ROOT))).decode().strip()
        archive = git("archive", commit or "HEAD", "src")
    except (OSError, subprocess.CalledProcessError):
        return Path(shutil.copytree(ROOT / "src", to / "src"))
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(to, filter="data")
    return to / "src"


def at_work(arena: Arena, *hands: Hand) -> bool:
    """Whether each of these has run a body."""
    return {hand.pid for hand in hands} <= arena.ledger.bodies.keys()


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_rolling_restart_in_which_both_versions_work_side_by_side(
    own_server: Callable[..., Server], one_name: str, tmp_path: Path
) -> None:
    """FAULT 80, INV 47: forward and back again, under load of both; nothing is lost, and nothing runs twice."""
    older = {"PYTHONPATH": str(code_that_wrote(STORED, tmp_path / "older"))}
    async with Arena(own_server(one_name), tmp_path, 1, lease=5, most=200, workers=0) as arena:
        url, crew = arena.server.url, arena.crew
        first = [crew.hire(url, **older), crew.hire(url, **older), crew.hire(url)]
        await crew.ready()
        words = [sys.executable, "-m", "tests.system.fire.elsewhere", url, arena.name, str(arena.history), "300"]
        producer = await asyncio.create_subprocess_exec(*words, cwd=ROOT, env={**os.environ, **older})
        async with arena.under_load():
            second = []
            for old, told in zip(first, ({}, {}, older), strict=True):  # the last one is rolled back
                new = crew.hire(url, **told)
                second.append(new)
                await crew.ready(new)
                await until(partial(at_work, arena, old, new))
                await crew.dismiss(old)
            assert await producer.wait() == 0
        story, left = await arena.finish()
    assert wrong(story) == {}
    assert left.wrong() == {}
    assert {body.pid for body in story.bodies} == {hand.pid for hand in [*first, *second]}
    (code,) = [line["code"] for line in history.read(tmp_path / "history") if line["what"] == "produces"]
    assert code.startswith(older["PYTHONPATH"])
    assert sum(call.acked is not None for key, call in story.calls.items() if "-elsewhere-" in key) >= 300


def main() -> None:
    """Write the file."""
    with Server([*available()][-1]) as server, redis.Redis.from_url(server.url) as line:
        asyncio.run(write(server.url))
        found = [[base64.b64encode(part).decode() for part in command] for command in commands(line)]
    STORED.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
