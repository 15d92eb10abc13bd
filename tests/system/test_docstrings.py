"""What docstrings show runs, with what has to stand around it: the excerpts in the reference."""

from __future__ import annotations

import asyncio
import re
import textwrap
from typing import Any
from uuid import uuid4

import pytest

from tests.system.fences import FENCE, MADE, every

PAGE = MADE / "api.md"
WHOLE = {
    "StrikeList": """
        from shadows import StrikeList

        def sorry():
            print("sorry")

        async def main():
            EXCERPT
        """,
    "SyncShadow": """
        import asyncio
        from shadows import Shadow, SyncShadow, Worker

        async def charge(customer):
            return f"charged {customer}"

        def script():
            EXCERPT
            shadows.close()

        async def main():
            async with Shadow("shop") as own, Worker(own) as worker:
                own.register(charge)
                working = asyncio.create_task(worker.run_forever())
                await asyncio.to_thread(script)
                worker.stop()
                await working
        """,
    "in_process": """
        from shadows import in_process

        EXCERPT

        async def main():
            print(crunch([]))
        """,
    "VirtualClock": """
        from datetime import UTC, datetime, timedelta
        from shadows import Shadow
        from shadows.testing import VirtualClock

        async def main():
            began = datetime.now(UTC)
            EXCERPT
            print(clock.now() - began > timedelta(days=6))
        """,
    "inline": """
        from shadows import Shadow
        from shadows.testing import inline

        async def charge(customer):
            return "charged"

        async def main():
            async with Shadow("shop") as shadow:
                EXCERPT
                print(execution.state)
        """,
}
"""Programs, by the name of what shows the part."""
PRINT = {
    "StrikeList": "sorry\n",
    "SyncShadow": "charged 42\n",
    "in_process": "None\n",
    "VirtualClock": "True\n",
    "inline": "completed\n",
}


def excerpts() -> dict[str, str]:
    """Give what the page shows, by the heading above it."""
    text = PAGE.read_text()
    found: dict[str, str] = {}
    for block in FENCE.finditer(text):
        if block["about"] == "excerpt":
            found[re.findall(r"^### (\w+)$", text[: block.start()], re.MULTILINE)[-1]] = block["text"]
    return found


def test_all_of_them_are_run() -> None:
    """None is on another page, and none has gone."""
    assert {block.page for block in every("read") if block.about == "excerpt"} == {PAGE}
    assert excerpts().keys() == WHOLE.keys()


@pytest.mark.parametrize("name", WHOLE)
def test_what_a_docstring_shows_runs(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a part of a program, on memory."""
    place = f"memory://{uuid4().hex}"
    monkeypatch.setenv("SHADOW_URL", place)
    excerpt = re.sub(r"redis://[\w.:/]+", place, excerpts()[name])
    program = re.sub(
        r"^( *)EXCERPT$", lambda at: textwrap.indent(excerpt, at[1]), textwrap.dedent(WHOLE[name]), flags=re.MULTILINE
    )
    names: dict[str, Any] = {}
    exec(compile(program, name, "exec", dont_inherit=True), names)  # noqa: S102 - this is the point
    asyncio.run(names["main"]())
    assert capsys.readouterr().out == PRINT[name]
