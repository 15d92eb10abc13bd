"""From a URL to a client of valkey-glide, and how commands travel through it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs
from glide import (
    AdvancedGlideClientConfiguration,
    AdvancedGlideClusterClientConfiguration,
    BackoffStrategy,
    Batch,
    BatchOptions,
    ClusterBatch,
    ClusterBatchOptions,
    GlideClient,
    GlideClientConfiguration,
    GlideClusterClient,
    GlideClusterClientConfiguration,
    NodeAddress,
    NodeDiscoveryMode,
    ProtocolVersion,
    ServerCredentials,
    SlotKeyRoute,
    SlotType,
    TlsAdvancedConfiguration,
)

from shadows.adapters.redis.places import NOT_TAKEN
from shadows.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shadows.adapters.redis.driver import Command
    from shadows.adapters.redis.keys import Keys
    from shadows.core.urls import Url

type Client = GlideClient | GlideClusterClient

_IN_FLIGHT: Final = 1_000_000
"""Requests at once; left to itself, it refuses the 1001st."""
_BACKOFF: Final = (1, 100, 1)
"""It tries again every 100 ms for as long as somebody waits; how long that is, is for us to say."""
_CONNECT: Final = 2000
"""Milliseconds for a connection: those to nodes that say nothing must not use up the time of a whole request."""
_UNDERSTOOD: Final = {"db", "ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_keyfile"}


@attrs.frozen
class Way:
    """Makes clients for one place, and sends through them."""

    addresses: tuple[NodeAddress, ...]
    encrypted: bool
    credentials: ServerCredentials | None = attrs.field(repr=False)
    database: int
    parameters: Mapping[str, str] = attrs.field(repr=False)
    """those of redis-py's about TLS that valkey-glide understands as well"""

    slot_of: str | None = None
    """a key in the slot that everything goes to, if it is a cluster"""

    async def client(self) -> Client:
        """Return a new client, which is connected when it is first used."""
        timing: dict[str, Any] = {"connection_timeout": _CONNECT, "tls_config": self._tls()}
        common: dict[str, Any] = {
            "addresses": list(self.addresses),
            "use_tls": self.encrypted,
            "credentials": self.credentials,
            "protocol": ProtocolVersion.RESP2,
            "reconnect_strategy": BackoffStrategy(*_BACKOFF),
            "inflight_requests_limit": _IN_FLIGHT,
            "lazy_connect": True,
        }
        if self.slot_of is not None:
            advanced = AdvancedGlideClusterClientConfiguration(**timing)
            return await GlideClusterClient.create(GlideClusterClientConfiguration(advanced_config=advanced, **common))
        return await GlideClient.create(
            GlideClientConfiguration(
                advanced_config=AdvancedGlideClientConfiguration(**timing),
                database_id=self.database,
                node_discovery_mode=NodeDiscoveryMode.STATIC,  # else it asks for more rights than we need
                **common,
            )
        )

    async def send(self, client: Client, commands: Sequence[Command], patience: float) -> Sequence[Any]:
        """Send commands that travel together and in this order, and return an answer or a GlideError for each.

        Nobody wants it after ``patience`` seconds.

        Raises:
            GlideError: there is no answer.
        """
        if not commands:  # it would take them for a mistake
            return []
        batch: Batch | ClusterBatch
        options: BatchOptions | ClusterBatchOptions
        timeout = round(patience * 1000)
        if self.slot_of is None:
            batch, options = Batch(is_atomic=False), BatchOptions(timeout)
        else:
            route = SlotKeyRoute(SlotType.PRIMARY, self.slot_of)
            batch, options = ClusterBatch(is_atomic=False), ClusterBatchOptions(timeout, route)
        for command in commands:
            batch.custom_command([part if isinstance(part, bytes) else str(part) for part in command])
        untyped: Any = client  # each of both kinds takes its own kind of batch
        return cast("Sequence[Any]", await untyped.exec(batch, raise_on_error=False, options=options))

    def _tls(self) -> TlsAdvancedConfiguration | None:
        if not self.encrypted:
            return None
        authorities = self.parameters.get("ssl_ca_certs")
        return TlsAdvancedConfiguration(
            use_insecure_tls=self.parameters.get("ssl_cert_reqs") == "none",
            root_pem_cacerts=None if authorities is None else Path(authorities).read_bytes(),
            client_cert_path=self.parameters.get("ssl_certfile"),
            client_key_path=self.parameters.get("ssl_keyfile"),
        )


def way(url: Url, keys: Keys) -> Way:
    """Return the way to these keys at a URL.

    Raises:
        ConfigurationError: it has parameters that valkey-glide does not know.
    """
    split = urlsplit(url.address)
    parameters = {name: value for name, value in parse_qsl(split.query) if name not in NOT_TAKEN}
    unknown = sorted(parameters.keys() - _UNDERSTOOD)
    if unknown:
        msg = f"url={str(url)!r} has parameters that valkey-glide does not know: {', '.join(unknown)}; "
        raise ConfigurationError(f"{msg}leave them out or write client=redis-py beside them")
    if url.scheme == "unix":
        addresses = (NodeAddress(unix_socket_path=unquote(split.path)),)
        database = parameters.get("db", "0")
    else:
        addresses = tuple(NodeAddress(host, port) for host, port in url.hosts)
        database = parameters.get("db") or split.path.strip("/") or "0"
    credentials = None
    if split.password is not None:
        credentials = ServerCredentials(unquote(split.password), unquote(split.username or "") or None)
    slot_of = keys.stream if url.kind == "cluster" else None
    return Way(addresses, url.encrypted, credentials, int(database), parameters, slot_of)
