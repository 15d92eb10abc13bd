"""The Lua scripts: a shared prelude, and one file for each verb."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from shadows.adapters.redis.scripts.linking import linked

_GATES = ("_look", "_gates")
"""What every script needs that ends an attempt or moves a call."""
_STRIKES = ("_strikes", "_news")
_VERBS: dict[str, tuple[str, ...]] = {
    "schedule": (*_GATES, *_STRIKES, "_entry", "schedule"),
    "replay": (*_GATES, *_STRIKES, "_entry", "replay"),
    "seed": (*_GATES, "seed"),
    "claim": (*_GATES, *_STRIKES, "_chores", "claim"),
    "admit": (*_GATES, "admit"),
    "settle": (*_GATES, "_strikes", "settle"),
    "turn": (*_GATES, *_STRIKES, "settle", "_chores", "claim", "turn"),
    "renew": ("renew",),
    "cancel": (*_GATES, "cancel"),
    "read": ("read",),
    "survey": ("survey",),
    "clear": (*_GATES, "clear"),
    "report": ("report",),
    "check_in": ("check_in",),
    "check_out": ("check_out",),
    "roster": ("roster",),
    "append": (*_GATES, *_STRIKES, "append"),
    "since": (*_GATES, *_STRIKES, "since"),
}
_CLAIM = frozenset({"take", "read_entry", "failed"})
_SETTLE = frozenset({"complete", "settle_one", "end_run", "close", "failed", "forget"})
OWN = {
    "schedule": frozenset({"schedule_one", "add_new", "failed"}),
    "claim": _CLAIM,
    "settle": _SETTLE,
    "turn": _CLAIM | _SETTLE,
}
"""What stays a function of its own: that which these verbs, which are called for each task, do for each entry."""
_STRAIGHT = {"schedule": "_alone"}
"""What comes before everything else: the straight way of the ordinary case."""
FIRST = 5
"""Where a verb's own arguments begin in ARGV; before them: base, execution ttl, dead letter ttl, most dead
letters.
"""


@cache
def _text(part: str) -> str:
    return (files(__package__) / f"{part}.lua").read_text("utf-8")


def _parts(verb: str, clock: str | None) -> list[str]:
    return [clock if clock is not None else _text("_clock"), *map(_text, ("_prelude", *_VERBS[verb]))]


@cache
def source(verb: str, clock: str | None = None) -> str:
    """Return a script's whole text; ``clock`` is Lua that defines ``clock()`` in place of the server's time."""
    straight = _text(_STRAIGHT[verb]) if verb in _STRAIGHT else ""
    return linked(_parts(verb, clock), verb, FIRST, OWN.get(verb, frozenset()), straight)


def sources(clock: str | None = None) -> dict[str, str]:
    """Return all of them by their verbs."""
    return {verb: source(verb, clock) for verb in _VERBS}


def written() -> dict[str, str]:
    """Return the same as it is written, with what a script does not need, for those who look for mistakes.

    What goes straight is not among it: it has names of its own for what comes after it.
    """
    return {verb: "".join([*_parts(verb, None), f"return {verb}({FIRST})\n"]) for verb in _VERBS}
