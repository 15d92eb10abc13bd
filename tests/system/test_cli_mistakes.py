"""What people get wrong at the command line, typed as they type it: mistakes.toml lists it."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import threading
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.programs import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers import Server

pytestmark = pytest.mark.slow

LISTED: dict[str, Any] = tomllib.loads(Path(__file__).with_name("mistakes.toml").read_text())
PROGRAM = Path(sys.executable).with_name("shadows")
LONGEST = 8


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """Give the host and port of something that speaks HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with suppress(OSError):  # it is closed in the end
                while True:
                    link, _ = listening.accept()
                    with link:
                        link.recv(1000)
                        link.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def filled(text: str, places: dict[str, str]) -> str:
    """Give a text with the places in it."""
    for name, place in places.items():
        text = text.replace(f"{{{name}}}", place)
    return text


def listed(*, on_a_server: bool) -> list[Any]:
    """Give those that need a server, or the others."""
    return [
        pytest.param(mistake, id=mistake["about"])
        for mistake in LISTED["mistake"]
        if ("{server}" in mistake["line"]) is on_a_server
    ]


@pytest.mark.parametrize("mistake", listed(on_a_server=False))
def test_a_mistake_ends_with_its_code_and_what_to_type(mistake: dict[str, Any], web: str, tmp_path: Path) -> None:
    """At most 8 lines, on stderr; no traceback, nothing that should not be shown."""
    make(mistake, {"away": "127.0.0.1:1", "web": web}, tmp_path)


@pytest.mark.parametrize("mistake", listed(on_a_server=True))
def test_so_does_one_that_a_server_notices(
    mistake: dict[str, Any], one_name: str, server: Callable[[str], Server], tmp_path: Path
) -> None:
    """It has a user who may do nothing with the keys of most shadows."""
    there = server(one_name)
    there.command("ACL", "SETUSER", "mistaken", "on", ">secret", "resetkeys", "~others:*", "+@all")
    make(mistake, {"server": f"127.0.0.1:{there.port}"}, tmp_path)


def make(mistake: dict[str, Any], places: dict[str, str], folder: Path) -> None:
    """Type the line, and hold what comes back against the list."""
    for name, text in LISTED["files"].items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    words = shlex.split(filled(mistake["line"], places))
    assert words[0] == "shadows"
    done = subprocess.run(
        [str(PROGRAM), *words[1:]],
        cwd=folder,
        env={**os.environ, **mistake.get("env", {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == mistake["code"], done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) <= LONGEST
    assert "Traceback" not in done.stderr
    [remedy] = [line for line in lines if line.startswith("  type:  ")]
    for part in mistake["remedy"]:
        assert filled(part, places) in remedy
    for part in mistake.get("says", []):
        assert filled(part, places) in done.stderr
    for part in mistake.get("hides", []):
        assert part not in done.stdout + done.stderr


def test_there_are_at_least_forty_of_them() -> None:
    """Each is another one."""
    lines = {(mistake["line"], str(mistake.get("env"))) for mistake in LISTED["mistake"]}
    assert len(lines) == len(LISTED["mistake"]) >= 40
