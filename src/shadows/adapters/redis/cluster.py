"""A cluster, of which a shadow needs one node: that which serves the slot of its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import attrs
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import SSLConnection
from redis.crc import key_slot
from redis.exceptions import ResponseError

from shadows.adapters.redis.places import Address, Connection, Node, abandon, address_without_host
from shadows.errors import BrokerUnavailable, UnsupportedServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadows.adapters.redis.keys import Keys
    from shadows.core.urls import Url

type _Slots = list[list[Any]]


@attrs.define
class Cluster:
    """See :class:`shadows.adapters.redis.places.Place`."""

    text: str
    node: Address
    """any of its nodes"""
    seeds: tuple[Node, ...]
    """those that a user named"""
    slot: int
    moves: int = attrs.field(init=False, default=0)
    _nodes: list[Node] = attrs.field(init=False)
    """whom to ask, in this order; the one that failed us last comes last"""
    _server: Node | None = attrs.field(init=False, default=None)
    """the node that serves the slot, as far as we know"""

    def __attrs_post_init__(self) -> None:
        self._nodes = list(self.seeds)

    async def enter(self) -> None:
        """It is up to others that there is a server."""

    def leave(self) -> None:
        """Nobody minds."""

    async def connect(self) -> Connection:
        node: Node = self._nodes[0]
        try:
            if self._server is None:
                self._hear(node, await _slots(self.node.at(node)))
            node = self._server or node
            return await self.node.at(node).connect()
        except BaseException as broken:  # a silent one is noticed by whoever gives us so much time and no more
            self._lost(node)
            self._refuse(broken)
            raise

    def connect_blocking(self) -> Connection:
        node: Node = self._nodes[0]
        try:
            if self._server is None:
                self._hear(node, _slots_blocking(self.node.at(node)))
            node = self._server or node
            return self.node.at(node).connect_blocking()
        except BaseException as broken:
            self._lost(node)
            self._refuse(broken)
            raise

    def elsewhere(self, node: Node | None = None) -> None:
        self.moves += 1
        before = self._server or self._nodes[0]
        if node is None:
            self._lost(before)
        else:
            self._server = (node[0] or before[0], node[1])

    def client(self) -> RedisCluster:
        nodes = [ClusterNode(host, port) for host, port in self.seeds]
        options = {name: value for name, value in self.node.options.items() if name not in {"host", "port", "db"}}
        return RedisCluster(startup_nodes=nodes, ssl=issubclass(self.node.kind, SSLConnection), **options)

    def _hear(self, node: Node, slots: _Slots) -> None:
        """Take over what a node says of all of them."""
        found = [(first, last, [_node(one, node) for one in nodes]) for first, last, *nodes in slots]
        others = [one for _, _, nodes in found for one in nodes]
        self._nodes = list(dict.fromkeys([node, *self._nodes, *others]))
        self._server = next((nodes[0] for first, last, nodes in found if first <= self.slot <= last), None)
        if self._server is None:
            raise BrokerUnavailable(f"{self.text}: no node serves the slot {self.slot}", sent=False)

    def _lost(self, node: Node) -> None:
        self._server = None
        self._nodes = [*(one for one in self._nodes if one != node), node]

    def _refuse(self, broken: BaseException) -> None:
        if isinstance(broken, ResponseError) and "cluster support disabled" in str(broken):
            msg = f"{self.text} is no cluster; write redis:// instead of redis+cluster://"
            raise UnsupportedServer(msg) from broken


async def _slots(address: Address) -> _Slots:
    connection = await address.connect()
    try:
        await connection.send_command("CLUSTER", "SLOTS", check_health=False)
        answer: _Slots = await connection.read_response(disable_decoding=True)
        return answer
    finally:
        abandon(connection)


def _slots_blocking(address: Address) -> _Slots:
    connection = address.connect_blocking()
    try:
        connection.send_command("CLUSTER", "SLOTS", check_health=False)
        answer: _Slots = connection.read_response(disable_decoding=True)
        return answer
    finally:
        connection.disconnect()


def _node(told: Sequence[Any], asked: Node) -> Node:
    """Return host and port; a node that does not know its own host leaves it out."""
    host, port, *_ = told
    return (host.decode() if host and host != b"?" else asked[0], port)


def in_cluster(url: Url, keys: Keys, credentials: object) -> Cluster:
    """Return the node of a cluster that these keys belong to.

    Raises:
        ConfigurationError: the URL has parameters that redis-py does not take.
    """
    pairs = dict(parse_qsl(urlsplit(url.address).query, keep_blank_values=True))
    node = address_without_host(url, pairs, credential_provider=credentials)
    return Cluster(url.redacted, node, url.hosts, key_slot(keys.stream.encode()))
