"""What a task's failure or completion handler wants to become of its run; the worker turns it into a verdict."""

from __future__ import annotations

import enum
from typing import Any

import attrs

from shadows.core.scheduling import AT_ONCE, Due, moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta


class Then(enum.StrEnum):
    """What follows."""

    RETRY = "retry"
    """the next attempt of this run"""
    FAIL = "fail"
    """the run ends failed"""
    COMPLETE = "complete"
    """the run ends completed"""
    FOLLOW = "follow"
    """the run ends as it would have, and a new run takes its key"""
    LAST = "last"
    """the run ends as it would have, and that was the last one under its key"""


@attrs.frozen
class Decision:
    """One such wish.  Use the functions of this module to build one."""

    then: Then
    due: Due = AT_ONCE
    args: tuple[Any, ...] | None = attrs.field(repr=False, default=None)
    """of the next run; None: those of this one"""
    kwargs: Mapping[str, Any] | None = attrs.field(repr=False, default=None)
    definition: str = ""
    """names the schedule that decided ``due``: at most 64 bytes"""


def retry(when: Due | datetime | timedelta | None = None) -> Decision:
    """Try again: the next attempt of the same run, with the same arguments, at once unless ``when`` is given."""
    return Decision(Then.RETRY, moment(when))


def fail() -> Decision:
    """Let the run end failed, with the exception that the body raised."""
    return Decision(Then.FAIL)


def complete() -> Decision:
    """Let the run end completed; after a failure, with None as its result."""
    return Decision(Then.COMPLETE)


def follow(
    when: Due | datetime | timedelta | None = None,
    args: tuple[Any, ...] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    definition: str = "",
) -> Decision:
    """Let the run end as it would have, and place the next one under its key in the same step.

    ``args`` and ``kwargs`` belong together: when both are left out, the next run gets the arguments of this one.
    """
    if args is None and kwargs is None:
        return Decision(Then.FOLLOW, moment(when), definition=definition)
    return Decision(Then.FOLLOW, moment(when), args or (), kwargs or {}, definition)


def last() -> Decision:
    """Let the run end as it would have, and place nothing after it: a worker that is here does not start it again."""
    return Decision(Then.LAST)
