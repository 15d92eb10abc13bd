"""Which dead letters a command means, and what is done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from shadows.cli.complaints import UsageError
from shadows.core.disposition import Disposition

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from shadows.letters import DeadLetter
    from shadows.shadow import Shadow

PAGE = 100
"""So many letters, which may be large, are held at once."""


@attrs.frozen
class Wanted:
    """What the options say."""

    task: str | None = None
    reason: str | None = None
    everything: bool = attrs.field(kw_only=True, default=False)

    @property
    def some(self) -> bool:
        """Whether letters are chosen by what they are, not by their names."""
        return self.everything or self.task is not None or self.reason is not None

    def fits(self, letter: DeadLetter) -> bool:
        """Tell whether this one is meant."""
        return self.task in {None, letter.function_name} and self.reason in {None, letter.reason}

    def check(self, verb: str, which: Sequence[str]) -> None:
        """Raise UsageError unless it is clear what is meant."""
        if which and self.some:
            raise UsageError(f"shadows dead {verb} takes either WHICH, or --all, --task and --reason")
        if not which and not self.some:
            raise UsageError(f"shadows dead {verb} needs WHICH, or --all, or --task TASK, or --reason REASON")


@attrs.frozen
class Outcome:
    """What became of one call."""

    id: str | None
    key: str | None
    word: str


async def page(shadow: Shadow, wanted: Wanted, limit: int, before: str) -> tuple[list[DeadLetter], str | None]:
    """Return up to ``limit`` letters, newest first, and the id below which there may be more."""
    found: list[DeadLetter] = []
    async for letter in _walk(shadow, before):
        if len(found) >= limit:
            return found, found[-1].id if found else before or None
        if wanted.fits(letter):
            found.append(letter)
    return found, None


async def replay_all(shadow: Shadow, which: Sequence[str], wanted: Wanted) -> list[Outcome]:
    """Replay those that are named, or those that are wanted, the oldest first."""
    async with shadow:
        ids = list(which) if which else await _chosen(shadow, wanted)
        return [outcome for start in range(0, len(ids), PAGE) for outcome in await _replay(shadow, ids[start:][:PAGE])]


async def discard_all(shadow: Shadow, which: Sequence[str], wanted: Wanted) -> list[Outcome]:
    """Throw away those that are named, or those that are wanted."""
    async with shadow:
        if not which:
            ids = await _chosen(shadow, wanted)
            return [await _discard(shadow, one, None) for one in ids]
        outcomes: list[Outcome] = []
        for name in which:
            letter = await shadow.opened().dead_letter(name)
            missing = Outcome(None, name, "missing")
            outcomes.append(missing if letter is None else await _discard(shadow, letter.id, letter.key))
        return outcomes


async def _walk(shadow: Shadow, before: str) -> AsyncGenerator[DeadLetter]:
    while letters := await shadow.dead_letters(PAGE, before):
        for letter in letters:
            yield letter
        before = letters[-1].id


async def _chosen(shadow: Shadow, wanted: Wanted) -> list[str]:
    ids = [letter.id async for letter in _walk(shadow, "") if wanted.fits(letter)]
    return ids[::-1]


async def _replay(shadow: Shadow, names: Iterable[str]) -> list[Outcome]:
    letters = [(name, await shadow.opened().dead_letter(name)) for name in names]
    executions = await shadow.opened().replay([letter or name for name, letter in letters], None)
    outcomes: list[Outcome] = []
    for (name, letter), execution in zip(letters, executions, strict=True):
        token = None if letter is None else letter.id
        key = name if letter is None else letter.key
        if execution is None:
            outcomes.append(Outcome(token, key, "missing" if key is not None else "unreadable"))
        else:
            outcomes.append(Outcome(token, key, _WORDS[execution.disposition]))
    return outcomes


_WORDS = {
    Disposition.SCHEDULED: "replayed",
    Disposition.ALREADY_SCHEDULED: "already",
    Disposition.STRUCK: "struck",
}


async def _discard(shadow: Shadow, letter: str, key: str | None) -> Outcome:
    return Outcome(letter, key, "discarded" if await shadow.discard(letter) else "missing")
