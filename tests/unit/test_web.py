from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

from shadows.adapters import web
from shadows.adapters.web import Answer, WebServer, listen
from shadows.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator


async def fine() -> Answer:
    """Be a page."""
    return Answer("fine\n")


async def sorry() -> Answer:
    """Be one that says no."""
    return Answer(b"{}", HTTPStatus.SERVICE_UNAVAILABLE, "application/json")


async def broken() -> Answer:
    """Be one that raises."""
    raise ValueError("a bug")


async def endless() -> Answer:
    """Be one that never comes."""
    await asyncio.Event().wait()
    raise AssertionError


PAGES = {"/": fine, "/no": sorry, "/broken": broken, "/endless": endless}


@pytest.fixture
def port() -> Iterator[int]:
    """Serve the pages."""
    server = WebServer(listen(0, source="healthcheck_port"), PAGES)
    with server:
        yield server.port


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    """Return the status, the type and the body."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    found = answer.status, answer.headers["Content-Type"], answer.read()
    connection.close()
    return found


def say(port: int, text: bytes) -> bytes:
    """Say anything, and return all that is answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as talk:
        talk.sendall(text)
        answer = b""
        while chunk := talk.recv(4096):
            answer += chunk
        return answer


def test_each_path_has_its_page(port: int) -> None:
    """With its status and its type; what follows a question mark is none of a page's business."""
    assert ask(port, "/") == ask(port, "/?verbose=1") == (200, "text/plain; charset=utf-8", b"fine\n")
    assert ask(port, "/no") == (503, "application/json", b"{}")


def test_other_paths_and_methods_are_refused(port: int) -> None:
    """404 says what there is."""
    assert ask(port, "/nothing") == (404, "text/plain; charset=utf-8", b"there is only / /no /broken /endless\n")
    assert ask(port, "/", "POST")[0] == 405
    assert ask(port, "/", "HEAD") == (200, "text/plain; charset=utf-8", b"")


def test_a_page_that_raises_is_told_of_and_the_others_go_on(port: int, caplog: pytest.LogCaptureFixture) -> None:
    """The traceback is in the log, not in the answer."""
    status, _, body = ask(port, "/broken")
    assert (status, b"bug" in body) == (500, False)
    assert "the page /broken is broken" in caplog.text
    assert ask(port, "/")[0] == 200


@pytest.mark.parametrize("text", [b"PING\r\n\r\n", b"GET / SPDY/9\r\n\r\n", b"GET /  HTTP/1.1\r\n\r\n"])
def test_what_is_no_request_is_told_so(port: int, text: bytes) -> None:
    """FAULT 60: and the server goes on."""
    assert say(port, text).startswith(b"HTTP/1.1 400 ")
    assert ask(port, "/")[0] == 200


def test_whoever_talks_on_and_on_is_cut_off(port: int) -> None:
    """A head has a limit."""
    with suppress(ConnectionError):  # which comes to the same
        assert say(port, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000) == b""
    assert ask(port, "/")[0] == 200


def test_whoever_says_nothing_or_waits_in_vain_is_cut_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody keeps a connection for ever."""
    monkeypatch.setattr(web, "PATIENCE", 0.05)
    assert say(port, b"GET /") == b""
    assert say(port, b"GET /endless HTTP/1.1\r\n\r\n") == b""


def test_it_ends_while_somebody_still_waits() -> None:
    """A probe that hangs holds no worker up."""
    server = WebServer(listen(0, source="healthcheck_port"), PAGES)
    with server:
        talk = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        talk.sendall(b"GET /endless HTTP/1.1\r\n\r\n")
        assert ask(server.port, "/")[0] == 200
    assert not server._thread.is_alive()
    with talk:
        assert talk.recv(10) == b""


def test_a_port_that_is_taken_is_refused_in_one_line() -> None:
    """FAULT 83: it names where the number came from, and what else there is."""
    with listen(0, source="x") as taken, pytest.raises(ConfigurationError) as refused:
        listen(taken.getsockname()[1], source="--healthcheck-port")
    text = str(refused.value)
    assert text.startswith("--healthcheck-port=")
    assert "cannot be served: address already in use; use" in text
    assert "0 for any that is free" in text
    assert "\n" not in text


@pytest.mark.parametrize("why", [ValueError("no dual stack"), OSError(errno.EADDRNOTAVAIL, "no such address")])
def test_it_serves_where_there_is_only_one_kind_of_address(why: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some machines have no IPv6."""
    create = socket.create_server

    def refuse(address: tuple[str, int], *, dualstack_ipv6: bool = False, **options: Any) -> socket.socket:
        if dualstack_ipv6:
            raise why
        return create(address, **options)

    monkeypatch.setattr(socket, "create_server", refuse)
    server = WebServer(listen(0, source="x"), PAGES)
    with server:
        assert server.listening.family == socket.AF_INET
        assert ask(server.port, "/")[0] == 200
