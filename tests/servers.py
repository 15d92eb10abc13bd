"""Real servers for the tests, each on a free port and in a folder of its own.

- `wanted()`: the names that this run tests on, known when tests are collected
- `available()`: the servers that lie ready, by name
- `Server("valkey-9")`: one server: start, stop, kill, restart; also a context manager
- `Servers()`: the servers of a whole session, each started when first asked for
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import redis

from tools.servers import NAMES, installed

if TYPE_CHECKING:
    from tests.topologies import Topology

PATIENCE = 10.0  # seconds for a server to answer its first PING, and to end when it is told to
TOPOLOGIES = ("sentinel", "cluster", "unix", "tls", "acl", "embedded")
_chosen: list[str] | None = None


class ServerMissingError(Exception):
    """A test asked for a server that is not on this machine."""


def available() -> dict[str, Path]:
    """Give the servers that can be started here, by name."""
    return installed()


def choose(option: str | None) -> None:
    """Settle which servers this run tests on, from `--servers`, else $SHADOWS_SERVERS, else the newest that is here.

    In CI every server is wanted unless some are named; a wanted one that is missing is an error.
    """
    global _chosen  # noqa: PLW0603 - pytest tells us once, before it collects
    said = option or os.environ.get("SHADOWS_SERVERS") or ("all" if os.environ.get("CI") == "true" else "")
    if not said:
        _chosen = list(available())[-1:]
        return
    every: dict[str, list[str]] = {"all": list(NAMES), "none": []}
    names = every.get(said, [name.strip() for name in said.split(",")])
    if lacking := [name for name in names if name not in (*available(), *TOPOLOGIES)]:
        known = ", ".join(available()) or "none"
        raise ServerMissingError(
            f"no server {', '.join(lacking)} is here, but {known}. `python3 dev.py servers` fetches them"
        )
    _chosen = names


def wanted() -> list[str]:
    """Give the names of the servers that this run tests on."""
    return [name for name in places() if name not in TOPOLOGIES]


def places() -> list[str]:
    """Give the same, and the names of the topologies: wherever a shadow shall live in this run."""
    if _chosen is None:
        choose(None)
    return list(_chosen or [])


def unavailable() -> list[str]:
    """Give the names of the servers that a full run has and this machine has not."""
    return [name for name in NAMES if name not in available()]


class Server:
    """One server process on a loopback port, without persistence unless `aof` is set.

    `options` are further arguments of the server: `Server("redis-8", "--maxmemory", "10mb")`. Its folder
    and port outlive `kill` and `restart`, and are gone after `stop`.
    """

    def __init__(self, name: str, *options: str, aof: bool = False) -> None:
        if name not in available():
            raise ServerMissingError(f"no server {name} is here; `python3 dev.py servers` fetches it")
        self.name = name
        self.options = options
        self.aof = aof
        self.port = 0
        self.folder = Path()
        self.frozen = False
        """between SIGSTOP and SIGCONT"""
        self._process: subprocess.Popen[bytes] | None = None
        self._about: dict[str, str] = {}

    def __repr__(self) -> str:
        """Name the server, where it listens, and whether it runs."""
        return f"<Server {self.name} on port {self.port}, {'running' if self.running else 'not running'}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def program(self) -> str:
        """What it is."""
        return self.name

    @property
    def servers(self) -> list[Server]:
        """All the servers that this is: one."""
        return [self]

    @property
    def url(self) -> str:
        """Where a client finds it over TCP."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def bare_url(self) -> str:
        """The same without a user."""
        return self.url

    def curtain_url(self, shadow: str) -> str:
        """Where the keys of a shadow lie."""
        return self.url

    def line(self, shadow: str) -> redis.Redis:
        """Return a connection to look at the keys of a shadow with."""
        return redis.Redis.from_url(self.url, protocol=2)

    def beside(self, shadow: str, suffix: str) -> str:
        """Give the name of another shadow on the same server."""
        return f"{shadow}-{suffix}"

    def base(self, shadow: str) -> str:
        """What the keys of a shadow begin with."""
        return f"{shadow}:"

    @property
    def socket_path(self) -> Path:
        """Its unix socket."""
        return self.folder / "server.sock"

    @property
    def unix_url(self) -> str:
        """Where a client finds it through the unix socket."""
        return f"unix://{self.socket_path}?db=0"

    @property
    def flavour(self) -> str:
        """`redis` or `valkey`."""
        return self.name.partition("-")[0]

    @property
    def version(self) -> tuple[int, ...]:
        """What the running server says that it is, such as (8, 1, 1)."""
        key = "valkey_version" if self.flavour == "valkey" else "redis_version"
        return tuple(int(part) for part in self._about[key].split("."))

    @property
    def pid(self) -> int | None:
        """Its process, while it runs."""
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process is there; one that was stopped by SIGSTOP is."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it on a free port and return when it answers; do nothing while it runs."""
        if self.running:
            return self
        self.folder = Path(tempfile.mkdtemp(prefix=f"shadows-{self.name}-"))
        for last in (False, False, True):  # somebody may take the free port before the server does
            self.port = free_port()
            try:
                self._launch()
            except ServerDiedError as why:
                if last or "in use" not in str(why):
                    raise
            else:
                break
        return self

    def restart(self) -> Self:
        """End it if it runs, and start it on the same port and folder; memory is lost unless `aof` is set."""
        self._end()
        self._launch()
        return self

    def kill(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal and, if that ends it, wait until it is gone. SIGSTOP freezes, SIGCONT thaws."""
        if self._process is None:
            return
        self._process.send_signal(sig)
        self.frozen = sig is signal.SIGSTOP
        if sig in (signal.SIGKILL, signal.SIGTERM):
            self._process.wait(PATIENCE)
            _guard.forget(self._process.pid)

    def stop(self) -> None:
        """End it and remove its folder; it may be started again, as a new server."""
        self._end()
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder = Path()

    def has_written(self) -> bool:
        """Whether its file has all that it answered; with `everysec` that waits while the disk is busy, 2 s at most."""
        return "aof_buffer_length:0\r" in self.command("INFO", "persistence")

    def command(self, *words: str | int) -> str:
        """Send one command over a connection of its own; give the raw reply, up to the first quiet moment."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as link:
            return _ask(link, [str(word) for word in words])

    def log(self) -> str:
        """Give what it has written so far."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _launch(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                restore_signals=False,  # a file that may grow no more is an error to it, and not its end
            )
        _guard.watch(self._process.pid)
        end = time.monotonic() + PATIENCE
        while not self._answers():
            if not self.running:
                raise ServerDiedError(f"{self.name} ended with {self._process.returncode}: {self.log()[-1500:]}")
            if time.monotonic() > end:
                self._end()
                raise ServerDiedError(f"{self.name} does not answer: {self.log()[-1500:]}")
            time.sleep(0.005)
        lines = self.command("INFO", "server").splitlines()
        self._about = dict(line.split(":", 1) for line in lines if ":" in line)

    def _arguments(self) -> list[str]:
        plain = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        plain += ["--unixsocket", str(self.socket_path), "--unixsocketperm", "700"]
        plain += ["--appendonly", "yes", "--appendfsync", "always"] if self.aof else ["--appendonly", "no"]
        if self.name != "redis-6.2":  # which allows DEBUG anyway, and does not know the option
            plain += ["--enable-debug-command", "local"]
        return [str(available()[self.name]), *plain, *self.options]

    def _answers(self) -> bool:
        try:
            # A password makes NOAUTH the answer, an ACL NOPERM: the server is up all the same.
            return re.match(r"\+PONG|-NOAUTH|-NOPERM", self.command("PING")) is not None
        except OSError:
            return False

    def _end(self) -> None:
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        _guard.forget(self._process.pid)
        self._process = None


class ServerDiedError(Exception):
    """A server did not come up; the message holds the end of its log."""


class Servers:
    """The servers and topologies of one session, each started when first asked for.

    They are shared, so a test uses a shadow name of its own.
    """

    def __init__(self) -> None:
        self._running: dict[str, Server] = {}
        self._topologies: dict[str, Topology] = {}

    def get(self, name: str) -> Server:
        """Give the shared server of that name, running."""
        if name not in self._running:
            self._running[name] = Server(name).start()
        return self._running[name]

    def place(self, name: str) -> Server | Topology:
        """Give the shared server or topology of that name, running."""
        if name not in TOPOLOGIES:
            return self.get(name)
        if name not in self._topologies:
            from tests import topologies  # noqa: PLC0415 - they are made of servers

            self._topologies[name] = topologies.TOPOLOGIES[name]().start()
        return self._topologies[name]

    def stop(self) -> None:
        """End them all."""
        while self._topologies:
            self._topologies.popitem()[1].stop()
        while self._running:
            self._running.popitem()[1].stop()


class _Guard:
    """Ends the servers that are left when this process dies, however it dies.

    A shell reads the process numbers of our servers from a pipe; when the pipe closes because we are gone, it
    kills those that were not taken off the list.
    """

    SCRIPT = """
        while read -r sign number; do
            case $sign in
                +) left="$left $number" ;;
                -) kept=
                   for one in $left; do [ "$one" = "$number" ] || kept="$kept $one"; done
                   left=$kept ;;
            esac
        done
        for one in $left; do kill -9 "$one"; done
    """

    def __init__(self) -> None:
        self._shell: subprocess.Popen[str] | None = None

    def watch(self, pid: int) -> None:
        if self._shell is None:
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", self.SCRIPT], stdin=subprocess.PIPE, text=True, start_new_session=True
            )
            atexit.register(self.close)
        self._tell(f"+ {pid}")

    def forget(self, pid: int) -> None:
        self._tell(f"- {pid}")

    def close(self) -> None:
        if self._shell and self._shell.stdin:
            self._shell.stdin.close()
            self._shell.wait()
        self._shell = None

    def _tell(self, line: str) -> None:
        if self._shell and self._shell.stdin:
            self._shell.stdin.write(line + "\n")
            self._shell.stdin.flush()


_guard = _Guard()


_PORTS = range(20_000, 32_000)
"""Below those that the system gives to connections, which would take one between the look and the start."""
_next_port = itertools.count(random.SystemRandom().randrange(len(_PORTS)))


def free_port() -> int:
    """Give a port that nobody listens on, and never the same one again soon."""
    for number in _next_port:
        port = _PORTS[number % len(_PORTS)]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError


def _ask(link: socket.socket, words: Sequence[str]) -> str:
    """Speak just enough of the protocol for a simple reply or one bulk string."""
    parts = [f"*{len(words)}\r\n", *(f"${len(word.encode())}\r\n{word}\r\n" for word in words)]
    link.sendall("".join(parts).encode())
    received = b""
    while True:
        chunk = link.recv(65536)
        received += chunk
        head, line_end, body = received.partition(b"\r\n")
        bulk = line_end and head.startswith(b"$") and head != b"$-1"
        if not chunk or (bulk and len(body) >= int(head[1:]) + 2) or (line_end and not bulk):
            return received.decode(errors="replace")
