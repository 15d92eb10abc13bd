"""Workers in the surroundings that people have: without assertions, without a locale, on another loop, after a fork."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.system.programs import PATIENCE, ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import asyncio, os, sys
from shadows import Shadow, Worker

async def greet(name: str) -> str:
    return f"Grüße, {name}"

async def main():
    async with Shadow(sys.argv[2], sys.argv[1]) as shadows, Worker(shadows) as worker:
        shadows.register(greet)
        execution = await shadows.add(greet, key="k🗝")("Zoë")
        await worker.run_until_finished()
        found = await execution.get_result(timeout=10)
        sys.stdout.buffer.write(f"{found} {type(asyncio.get_running_loop()).__module__}\\n".encode())
        sys.stdout.flush()
"""
PLAIN = f"{PROGRAM}\nasyncio.run(main())\n"
FORKED = f"""{PROGRAM}
child = os.fork()
if child == 0:
    asyncio.run(main())
    os._exit(0)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
ON_UVLOOP = f"{PROGRAM}\nimport uvloop\nuvloop.run(main())\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "settings", "program", "loop"),
    [
        pytest.param(["-O"], {}, PLAIN, "asyncio.unix_events", id="without assertions"),
        pytest.param(["-OO", "-I"], {}, PLAIN, "asyncio.unix_events", id="without docstrings"),
        pytest.param([], {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"}, PLAIN, "asyncio.unix_events", id="LANG=C"),
        pytest.param([], {"TERM": "dumb", "HOME": "/nonexistent"}, PLAIN, "asyncio.unix_events", id="no terminal"),
        pytest.param([], {}, FORKED, "asyncio.unix_events", id="forked after import"),
        pytest.param([], {}, ON_UVLOOP, "uvloop", id="uvloop"),
    ],
)
def test_a_worker_works_wherever_python_does(
    one_place: str,
    shadow_name: str,
    tmp_path: Path,
    options: list[str],
    settings: dict[str, str],
    program: str,
    loop: str,
) -> None:
    """FAULT 84: it runs its call, and has nothing to complain about."""
    file = tmp_path / "program.py"
    file.write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, *options, str(file), one_place, shadow_name],
        cwd=ROOT,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        start_new_session=True,
    )
    assert done.stdout.decode() == f"Grüße, Zoë {loop}\n", done.stderr.decode()
    assert (done.returncode, done.stderr.decode()) == (0, "")
