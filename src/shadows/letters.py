"""Dead letters as their readers see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@attrs.frozen
class DeadLetter:
    """A call that could not be run, kept with its arguments and the reason; or a message that could not be read.
    Arguments never show in the repr.
    """

    id: str
    key: str | None
    """None: it is a message that could not be read, and cannot be replayed"""
    function_name: str
    """the task's; empty where that cannot be read"""
    args: tuple[Any, ...] = attrs.field(repr=False)
    kwargs: Mapping[str, Any] = attrs.field(repr=False)
    reason: str
    """``worker-lost``, ``unknown-task`` or ``undecodable``"""
    died: datetime
    attempt: int
    deliveries: int
    """how many leases of that attempt were lost"""
    unreadable: str
    """why the arguments cannot be read here; empty if they can"""
    payload: bytes = attrs.field(repr=False)
    """as the worker got it; of a message that could not be read, its raw fields"""
