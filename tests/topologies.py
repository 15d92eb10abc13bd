"""More than one server, or one that is not open to everybody, for the tests.

- `TOPOLOGIES`: those in which whole suites can be run, by name
- `Sentinels()`: a primary, a replica, and three Sentinels that watch over them
- `Cluster()`: three nodes, with or without a replica each
- `Unix()`, `Tls()`, `Acl()`: one server behind a socket, behind certificates, and with users who may do little
- `Embedded()`: one server that shadows started by itself, in a folder of its own
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import redis
from redis.crc import key_slot

from shadows.adapters.redis.embedded import in_folder
from shadows.adapters.redis.rights import Role, rules
from shadows.core.urls import parse
from tests.servers import PATIENCE, Server, available, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SERVICE = "shop-db"


def newest() -> str:
    """Give the name of the newest server that is here."""
    return list(available())[-1]


def eventually(condition: Callable[[], object]) -> None:
    """Look again and again until something is the case; servers tell nobody when they have agreed."""
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(redis.RedisError):
            if condition():
                return
        if time.monotonic() > end:
            raise AssertionError("the servers did not come to terms")
        time.sleep(0.02)


def ask(server: Server, *command: Any) -> Any:
    """Send one command and give the answer as it is."""
    with server.line("") as line:
        line.response_callbacks.clear()
        return line.execute_command(*command)


class Topology:
    """Several servers that are started and ended together, and what a shadow in them is called."""

    name = ""

    def __init__(self) -> None:
        self.servers: list[Server] = []
        """those that hold data"""
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def program(self) -> str:
        """What its servers are."""
        return newest()

    @property
    def url(self) -> str:
        """Where shadows live."""
        raise NotImplementedError

    @property
    def bare_url(self) -> str:
        """The same without a user."""
        return self.url

    def curtain_url(self, shadow: str) -> str:
        """Where the keys of a shadow lie: the URL of one server, for redis-py, as somebody who may do everything."""
        return self.url

    def line(self, shadow: str) -> redis.Redis:
        """Return a connection to look at the keys of a shadow with."""
        return redis.Redis.from_url(self.curtain_url(shadow), protocol=2)

    def base(self, shadow: str) -> str:
        """What the keys of a shadow begin with."""
        return f"{shadow}:"

    def beside(self, shadow: str, suffix: str) -> str:
        """Give the name of another shadow on the same server."""
        return f"{shadow}-{suffix}"

    def start(self) -> Self:
        """Start the servers, and return when they are ready."""
        raise NotImplementedError

    def stop(self) -> None:
        """End them all."""
        self._open.close()

    def run(self, server: Server) -> Server:
        """Start one more server, which ends with the others."""
        return self._open.enter_context(server)


class SentinelServer(Server):
    """One Sentinel."""

    def __init__(self, name: str, primary: Server, *rules: str) -> None:
        super().__init__(name)
        self.rules = [f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 2", *rules]

    def _arguments(self) -> list[str]:
        settings = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}", *self.rules]
        configuration = self.folder / "sentinel.conf"
        if not configuration.exists():  # it writes into it what it learns
            configuration.write_text("\n".join(settings))
        return [str(available()[self.name]), str(configuration), "--sentinel"]


class Sentinels(Topology):
    """A primary, a replica, and three Sentinels that make the replica a primary when that one is gone for 2 s."""

    name = "sentinel"

    def __init__(self, *options: str) -> None:
        super().__init__()
        self.options = options
        self.sentinels: list[Server] = []

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    @property
    def primary(self) -> Server:
        """The server that is the primary now."""
        return next(one for one in self.servers if one.running and ask(one, "ROLE")[0] == b"master")

    def curtain_url(self, shadow: str) -> str:
        return self.primary.url

    def start(self) -> Self:
        options = ("--repl-diskless-sync-delay", "0", *self.options)
        first = self.run(Server(self.program, *options))
        second = self.run(Server(self.program, "--replicaof", f"127.0.0.1 {first.port}", *options))
        self.servers = [first, second]
        rules = (f"sentinel down-after-milliseconds {SERVICE} 2000", f"sentinel failover-timeout {SERVICE} 3000")
        self.sentinels = [self.run(SentinelServer(self.program, first, *rules)) for _ in range(3)]
        eventually(lambda: b"online" in ask(first, "INFO", "replication"))
        eventually(lambda: all(self._knows_all(one) for one in self.sentinels))
        return self

    def says(self, sentinel: Server) -> Mapping[str, str]:
        """Give what a Sentinel knows of the primary."""
        told = [part.decode() for part in ask(sentinel, "SENTINEL", "MASTER", SERVICE)]
        return dict(zip(told[::2], told[1::2], strict=True))

    def fail_over(self) -> None:
        """Let the Sentinels make the replica the primary, and return when all of them know."""
        before = self.says(self.sentinels[0])["port"]
        ask(self.sentinels[0], "SENTINEL", "FAILOVER", SERVICE)
        eventually(lambda: all(self.says(one)["port"] != before for one in self.sentinels))

    def _knows_all(self, sentinel: Server) -> bool:
        known = self.says(sentinel)
        return known["num-other-sentinels"] == "2" and known["num-slaves"] == "1" and known["flags"] == "master"


class Cluster(Topology):
    """Three nodes without replicas, or with one each, that do without one that is gone for 2 s."""

    name = "cluster"

    def __init__(self, *options: str, replicas: bool = False) -> None:
        super().__init__()
        self.options = options
        self.replicas = replicas

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.servers if one.running)
        return f"redis+cluster://{hosts}"

    def base(self, shadow: str) -> str:
        return f"{{{shadow}}}:"

    def curtain_url(self, shadow: str) -> str:
        return self.home(shadow).url

    def line(self, shadow: str) -> redis.Redis:
        return _ClusterLine(self, shadow)

    def beside(self, shadow: str, suffix: str) -> str:
        names = (f"{shadow}-{suffix}{'x' * number}" for number in range(50))
        return next(name for name in names if self.home(name) is self.home(shadow))

    def home(self, shadow: str) -> Server:
        """Give the node on which a shadow lives now."""
        return self._who_serve(shadow)[0]

    def replica(self, shadow: str) -> Server:
        """Give the node that would take over."""
        return self._who_serve(shadow)[1]

    def _who_serve(self, shadow: str) -> list[Server]:
        slot, known = key_slot(shadow.encode()), {one.port: one for one in self.servers}
        asked = next(one for one in self.servers if one.running and not one.frozen)
        ranges = ask(asked, "CLUSTER", "SLOTS")
        return next([known[port] for _, port, *_ in nodes] for first, last, *nodes in ranges if first <= slot <= last)

    def start(self) -> Self:
        count = 6 if self.replicas else 3
        settings = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0")
        buses = [free_port() for _ in range(count)]
        options = [(*settings, "--cluster-port", str(bus), *self.options) for bus in buses]
        self.servers = [self.run(Server(self.program, *each)) for each in options]
        ends = (0, 5461, 10922, 16384)
        for number, (node, first, end) in enumerate(zip(self.servers, ends, ends[1:], strict=False), 1):
            ask(node, "CLUSTER", "ADDSLOTSRANGE", first, end - 1)
            ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number)
        for node, bus in zip(self.servers[1:], buses[1:], strict=True):
            ask(self.servers[0], "CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        eventually(lambda: all(self._agrees(node, count) for node in self.servers))
        for replica, primary in zip(self.servers[3:], self.servers[:3], strict=False):
            ask(replica, "CLUSTER", "REPLICATE", ask(primary, "CLUSTER", "MYID").decode())
        eventually(lambda: all(b"master_link_status:up" in ask(one, "INFO", "replication") for one in self.servers[3:]))
        eventually(lambda: all(self._agrees(node, count) for node in self.servers))
        eventually(lambda: all(self._knows_replicas(node) for node in self.servers))
        return self

    def migrate(self, shadow: str) -> None:
        """Move the slot of a shadow to another node, key by key."""
        slot, source = key_slot(shadow.encode()), self.home(shadow)
        target = next(one for one in self.servers[:3] if one is not source)
        self.begin_to_migrate(slot, source, target)
        self.finish_migration(shadow, slot, source, target)

    def begin_to_migrate(self, slot: int, source: Server, target: Server) -> None:
        """Let both nodes know that a slot moves."""
        ids = {one: ask(one, "CLUSTER", "MYID").decode() for one in (source, target)}
        ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])

    def finish_migration(self, shadow: str, slot: int, source: Server, target: Server) -> None:
        """Move what is there, and let all nodes know."""
        while keys := ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            ask(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        name = ask(target, "CLUSTER", "MYID").decode()
        for one in (target, source, *self.servers[:3]):
            ask(one, "CLUSTER", "SETSLOT", slot, "NODE", name)
        eventually(lambda: self.home(shadow) is target)

    def _knows_replicas(self, node: Server) -> bool:
        serving = 2 if self.replicas else 1
        return all(len(nodes) == serving for _, _, *nodes in ask(node, "CLUSTER", "SLOTS"))

    def _agrees(self, node: Server, count: int) -> bool:
        told = ask(node, "CLUSTER", "INFO")
        return b"cluster_state:ok" in told and b"cluster_known_nodes:%d\r" % count in told


class _ClusterLine(redis.Redis):
    """Commands that name a key go to the node that serves it, all others to that of one shadow."""

    def __init__(self, cluster: Cluster, shadow: str) -> None:
        super().__init__(port=cluster.home(shadow).port, protocol=2)
        self.nodes = cluster
        self.shadow = shadow
        self.others: dict[str, redis.Redis] = {}

    def execute_command(self, *command: Any, **options: Any) -> Any:
        words = (word if isinstance(word, bytes) else str(word).encode() for word in command)
        found = next((match[1].decode() for word in words if (match := re.match(rb"\{(.*?)\}:", word))), self.shadow)
        if found == self.shadow:
            whole: Any = super()
            return whole.execute_command(*command, **options)
        if found not in self.others:
            self.others[found] = _ClusterLine(self.nodes, found)
            self.others[found].response_callbacks.clear()
        return self.others[found].execute_command(*command)

    def close(self) -> None:
        super().close()
        while self.others:
            self.others.popitem()[1].close()


class Unix(Topology):
    """One server, through its socket."""

    name = "unix"

    @property
    def url(self) -> str:
        return self.servers[0].unix_url

    def start(self) -> Self:
        self.servers = [self.run(Server(self.program))]
        return self


class Tls(Topology):
    """One server that is spoken to in TLS, and that wants a certificate of its clients as well."""

    name = "tls"

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path()
        self.port = 0

    @property
    def program(self) -> str:
        return next(name for name in reversed([*available()]) if name in {"redis-7.0", "redis-8", "valkey-8.1"})

    @property
    def url(self) -> str:
        files = {"ssl_ca_certs": "ca.pem", "ssl_certfile": "client.pem", "ssl_keyfile": "client.key"}
        parameters = "&".join(f"{name}={self.folder / file}" for name, file in files.items())
        return f"rediss://localhost:{self.port}/0?{parameters}"

    def curtain_url(self, shadow: str) -> str:
        return self.servers[0].url

    def start(self) -> Self:
        self.folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="shadows-tls-")))
        make_certificates(self.folder)
        self.port = free_port()
        files = {"ca-cert-file": "ca.pem", "cert-file": "server.pem", "key-file": "server.key"}
        options = [word for name, file in files.items() for word in (f"--tls-{name}", str(self.folder / file))]
        self.servers = [self.run(Server(self.program, "--tls-port", str(self.port), *options))]
        return self


class Acl(Topology):
    """One server with a user for each role, who may work with the shadows that the suites make, and with no other."""

    name = "acl"

    @property
    def url(self) -> str:
        return self.url_of(Role.ADMIN)

    @property
    def bare_url(self) -> str:
        return self.servers[0].url

    def url_of(self, role: Role) -> str:
        """Where shadows live for somebody in this role."""
        return self.servers[0].url.replace("//", f"//{role}:{role}@")

    def curtain_url(self, shadow: str) -> str:
        return self.servers[0].url

    def start(self) -> Self:
        server = self.run(Server(self.program))
        self.servers = [server]
        for role in Role:
            suites = [f"{kind}{name}-*" for kind in "~&" for name in ("front", "exam")]
            ask(server, "ACL", "SETUSER", role, "reset", "on", f">{role}", *rules(role, "exam-"), *suites)
        return self


class Kept(Server):
    """A server that somebody else keeps."""

    def __init__(self, name: str, socket: Path) -> None:
        super().__init__(name)
        self.socket = socket

    def line(self, shadow: str) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket), protocol=2)


class Embedded(Topology):
    """The server of a folder, which this keeps from being stopped."""

    name = "embedded"

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path()

    @property
    def url(self) -> str:
        return f"embedded://{self.folder}"

    @property
    def bare_url(self) -> str:
        return f"unix://{self.socket}"

    def curtain_url(self, shadow: str) -> str:
        return f"unix://{self.socket}"

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return (self.folder / "socket").readlink()

    def start(self) -> Self:
        self.folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="shadows-embedded-")))
        place = in_folder(parse(self.url), None)
        self._open.callback(place.leave)
        place.connect_blocking().disconnect()
        self.servers = [Kept(self.program, self.socket)]
        return self


def make_certificates(folder: Path) -> None:
    """Make an authority, and a certificate by it for a server on this machine and for a client."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    may_sign = ("-addext", "keyUsage=critical,keyCertSign")
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=ca", *may_sign, "-keyout", "ca.key", "-out", "ca.pem")
    (folder / "names").write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    for who in ("server", "client"):
        openssl("req", *key, "-subj", f"/CN={who}", "-keyout", f"{who}.key", "-out", f"{who}.csr")
        signed_by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        openssl("x509", "-req", "-in", f"{who}.csr", *signed_by, "-extfile", "names", "-out", f"{who}.pem")


TOPOLOGIES: Mapping[str, Callable[[], Topology]] = {
    one.name: one for one in (Sentinels, Cluster, Unix, Tls, Acl, Embedded)
}
"""By name, those in which the suites of the contract and of the front doors run."""
