"""What a server says of itself."""

from __future__ import annotations

import attrs


@attrs.frozen
class Vitals:
    """What a server says of itself.  None is what it does not say, or does not let us ask."""

    product: str
    """``memory``, ``Redis``, ``Valkey``, or what else it calls itself"""
    version: str | None = None
    trip: float = 0.0
    """seconds that a question and its answer take"""
    skew: float = 0.0
    """seconds by which its clock is ahead of ours, give or take a trip"""
    primary: bool | None = None
    log: bool | None = None
    """whether it writes each change to disk (the append-only file)"""
    snapshots: bool | None = None
    """whether it writes everything to disk now and then"""
    unsaved: str | None = None
    """what has gone wrong with that; empty when nothing has"""
    eviction: str | None = None
    """its policy when the memory is full"""
    evicted: int | None = None
    """how many keys it has thrown away so"""
    memory: int | None = None
    """bytes in use"""
    most_memory: int | None = None
    """bytes that it may use; 0: no limit"""
    clients: int | None = None
    most_clients: int | None = None
    rejected: int | None = None
    """how many connections it has refused"""
    user: str | None = None
    """by which name it knows us"""
    lacking: tuple[str, ...] | None = None
    """the rights, as its ACL rules spell them, that we need and have not"""
    hidden: tuple[str, ...] = ()
    """the commands that we may not use to ask"""
