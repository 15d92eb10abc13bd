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
_ALWAYS = (
    *("clock", "now", "stamp", "failed", "tried", "overwritten", "announce", "ring", "ring_for_placed"),
    *("enqueue", "fetch", "forget_all", "remember_all", "newest_entry", "newest_strike", "no_strikes", "strike_news"),
)
_CLAIM = (
    *("no_fences", "new_fences", "is_key", "read_entry", "earliest", "promote", "take", "read_new", "read_inbox"),
    *("do_chores", "claim"),
)
_SETTLE = ("forget", "finish", "close", "end_run", "settle_one", "unfit", "settle")
_OFTEN: dict[str, frozenset[str]] = {
    "schedule": frozenset({*_ALWAYS, "resolve", "stash", "place", "finish", "schedule_one", "schedule"}),
    "claim": frozenset({*_ALWAYS, *_CLAIM}),
    "settle": frozenset({*_ALWAYS, *_SETTLE}),
    "turn": frozenset({*_ALWAYS, *_SETTLE, *_CLAIM, "turn"}),
}
"""What nearly every call of these verbs needs; they are the ones that are called for each task."""
FIRST = 5
"""Where a verb's own arguments begin in ARGV; before them: base, execution ttl, dead letter ttl, most dead
letters.
"""


def _text(part: str) -> str:
    return (files(__package__) / f"{part}.lua").read_text("utf-8")


def _parts(clock: str | None) -> dict[str, tuple[str, list[str]]]:
    """Return the beginning of each script, and its other parts, by its verb."""
    beginning = (clock if clock is not None else _text("_clock")) + _text("_prelude")
    return {verb: (beginning, [_text(part) for part in parts]) for verb, parts in _VERBS.items()}


def _ending(verb: str) -> str:
    return f"return {verb}({FIRST})\n"


@cache
def sources(clock: str | None = None) -> dict[str, str]:
    """Return each script's whole text by its verb; ``clock`` is Lua that defines ``clock()`` in place of
    the server's time.
    """
    return {
        verb: linked(*parts, verb, _ending(verb), _OFTEN.get(verb, frozenset()))
        for verb, parts in _parts(clock).items()
    }


def written() -> dict[str, str]:
    """Return the same as it is written, with what a script does not need, for those who look for mistakes."""
    return {verb: "".join([beginning, *parts, _ending(verb)]) for verb, (beginning, parts) in _parts(None).items()}
