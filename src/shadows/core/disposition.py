"""What became of a request to place a call."""

from __future__ import annotations

import enum


class Disposition(enum.StrEnum):
    """Tells, on the returned execution, what the request did."""

    LOADED = "loaded"
    """nothing was requested: the execution was looked up"""
    SCHEDULED = "scheduled"
    """the call was placed"""
    ALREADY_SCHEDULED = "already_scheduled"
    """the key has a live run, which was left as it is"""
    STRUCK = "struck"
    """a strike forbids it; nothing was placed"""
    SUPERSEDED = "superseded"
    """another request has taken the key since"""
    FAILED = "failed"
    """it could not be placed (in a batch, where the others were)"""
