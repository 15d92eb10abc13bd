"""The broker port on Redis or Valkey: each verb is one script."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, Final

import attrs

from shadows.adapters.redis import answers, arguments, scripts
from shadows.adapters.redis.doors import lines
from shadows.adapters.redis.driver import (
    Command,
    Driver,
    NoScript,
    Value,
    about,
    ask_about,
    did_nothing,
    first_error,
)
from shadows.adapters.redis.keys import Keys, encode, is_id
from shadows.adapters.redis.replicas import Replicas
from shadows.core.lifecycle import ExecutionState
from shadows.errors import BrokenKey, BrokerUnavailable
from shadows.ports.broker import BATCH, Cancellation, Claim, Entry, Lease, Order, Placement, Settlement
from shadows.ports.letters import DeadLetter, Replayed
from shadows.ports.looking import Part, Record, Survey
from shadows.ports.seeding import Seeding
from shadows.ports.strike_log import StrikesMoved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shadows.core.gates import Gate
    from shadows.core.holder import Holder
    from shadows.core.verdict import Verdict
    from shadows.ports.admission import Admission
    from shadows.ports.backend import Terms
    from shadows.ports.letters import Replay
    from shadows.ports.seeding import Seed

_INBOX_TTL: Final = 60_000
_LINES: Final = {
    "scheduled": ExecutionState.SCHEDULED,
    "parked": ExecutionState.PARKED,
    "held": ExecutionState.PARKED,
}
"""Where calls wait that are not ready."""
_PARTS: Final = (Part.WATCH, Part.PAYLOAD, Part.RESULT, Part.STANDING)


class _Heads(dict[str, "Command"]):
    """The fixed part of the command that runs a verb; made when it is asked for, for nobody needs them all."""

    def __init__(self, clock: str | None, *fixed: Value) -> None:
        super().__init__()
        self.clock, self.fixed = clock, fixed

    def __missing__(self, verb: str) -> Command:
        digest = hashlib.sha1(scripts.source(verb, self.clock).encode(), usedforsecurity=False).hexdigest()
        self[verb] = head = ("EVALSHA", digest, *self.fixed)
        return head


@attrs.define
class Scripts:
    """Runs the scripts of one shadow by their digests, and loads them where the server has forgotten them."""

    driver: Driver
    heads: _Heads
    replicas: Replicas

    @classmethod
    def of(cls, driver: Driver, keys: Keys, terms: Terms, clock: str | None) -> Scripts:
        """Prepare the fixed part of each command."""
        kept = terms.execution_ttl, terms.dead_letter_ttl, terms.dead_letters
        heads = _Heads(clock, 2, keys.stream, keys.nowhere, keys.base, *kept)
        return cls(driver, heads, Replicas(terms.wait_replicas, keys))

    def command(self, verb: str, *arguments: Value) -> Command:
        """Return the command that runs a verb."""
        return (*self.heads[verb], *arguments)

    async def run(self, verb: str, *arguments: Value) -> list[Any]:
        """Run one verb and return its answer; raise BrokenKey when a key of ours holds something else."""
        (answer,) = await self.run_all(verb, (arguments,))
        return answer

    async def run_all(self, verb: str, batches: Sequence[tuple[Value, ...]]) -> list[list[Any]]:
        """Run one verb for each batch of arguments, in one trip.

        Raises:
            BrokerUnavailable: and it says whether any of them may have been carried out.
        """
        head = self.heads[verb]
        commands = [(*head, *arguments) for arguments in batches]
        behind = self.replicas.behind(verb)
        replies = await self.driver.ask(*commands, *behind)
        if not behind:
            for reply in replies:
                if type(reply) is not list:
                    break
            else:
                return replies
        return await self._sorted_out(verb, commands, behind, replies)

    async def _sorted_out(
        self, verb: str, commands: Sequence[Command], behind: Sequence[Command], replies: list[Any]
    ) -> list[list[Any]]:
        """Return the answers in these replies, which are not all what they mostly are."""
        begun = not all(map(did_nothing, replies[: len(commands)]))
        try:
            forgotten = [i for i, reply in enumerate(replies) if isinstance(reply, NoScript)]
            if forgotten:
                _, *again = await self.driver.ask(self.load(verb), *(commands[i] for i in forgotten), *behind)
                places = [*forgotten, *range(len(commands), len(replies))]
                for i, reply in zip(places, again, strict=True):
                    replies[i] = reply
                begun = not all(map(did_nothing, replies[: len(commands)]))
            answered = [checked(reply) for reply in replies[: len(commands)]]
            self.replicas.check(replies[len(commands) :])
        except BrokerUnavailable as away:
            away.sent = away.sent or begun
            raise
        return answered

    def run_blocking(self, verb: str, *arguments: Value) -> list[Any]:
        """Run one verb from the renewal thread."""
        command = self.command(verb, *arguments)
        (reply,) = self.driver.ask_blocking(command)
        if isinstance(reply, NoScript):
            _, reply = self.driver.ask_blocking(self.load(verb), command)
        return checked(reply)

    def load(self, verb: str) -> Command:
        """Return the command that teaches the server a verb."""
        return ("SCRIPT", "LOAD", scripts.source(verb, self.heads.clock))


def checked(reply: Any) -> list[Any]:
    """Return a script's answer; raise what stands in its place."""
    if isinstance(reply, NoScript):
        msg = "the server forgot a script as soon as it had learnt it, or the keys moved to another one meanwhile"
        raise BrokerUnavailable(msg, sent=False) from reply
    if isinstance(reply, Exception):
        raise reply
    if isinstance(reply, bytes):
        msg = f"the key {reply.decode()!r} holds a value of another type; delete or rename it"
        raise BrokenKey(msg)
    if reply is None or isinstance(reply, int):
        msg = "what answered a script is no answer of ours"
        raise BrokerUnavailable(msg)
    answer: list[Any] = reply
    return answer


@attrs.define
class RedisBroker:
    """See :class:`shadows.ports.broker.Broker`."""

    driver: Driver
    keys: Keys
    terms: Terms
    scripts: Scripts

    async def schedule(self, entries: Sequence[Entry], *, repeated: bool = False, strikes: str = "") -> list[Placement]:
        parts = _parts(entries) or [entries]
        batches = [arguments.entries(part, repeated=repeated, strikes=strikes) for part in parts]
        placements: list[Placement] = []
        for part, answer in zip(parts, await self.scripts.run_all("schedule", batches), strict=True):
            moved = answers.moved(answer, since=strikes)
            if moved is not None:
                raise StrikesMoved(moved, partly=bool(placements))
            placements += answers.placements(answer, part)
        return placements

    async def seed(self, seeds: Sequence[Seed], *, restart: bool) -> list[Seeding]:
        batches = [arguments.seeds(part, restart=restart) for part in _parts(seeds)]
        return [Seeding(word.decode()) for words in await self.scripts.run_all("seed", batches) for word in words]

    async def fallow(self, keys: Sequence[str], *, patience: float) -> None:
        del keys  # anybody may end these calls, and nobody tells
        await asyncio.sleep(patience)

    async def claim(self, order: Order, *, patience: float = 0) -> Claim:
        if patience <= 0:
            return answers.claim(await self.scripts.run("claim", *arguments.order(order)), strikes=order.strikes)
        inbox = self.keys.inbox(order.holder.id)
        doors = (self.keys.bell, inbox) if order.limit else (inbox,)
        heard, reply = await self.driver.wait(
            ("BLPOP", *doors, patience), self.scripts.command("claim", *arguments.order(order)), patience=patience
        )
        first_error([heard])
        message = heard[1] if heard and heard[0] == inbox.encode() else None
        if isinstance(reply, NoScript):
            reply = await self.scripts.run("claim", *arguments.order(order))
        return answers.claim(checked(reply), message, strikes=order.strikes)

    async def ring(self, holder: Holder) -> None:
        inbox = self.keys.inbox(holder.id)
        first_error(await self.driver.ask(("RPUSH", inbox, ""), ("PEXPIRE", inbox, _INBOX_TTL)))

    async def admit(self, holder: Holder, asked: Sequence[tuple[Lease, Sequence[Gate]]]) -> list[Admission]:
        batches: list[tuple[Value, ...]] = []
        for start in range(0, len(asked), BATCH):
            arguments: list[Value] = [holder.id]
            for lease, gates in asked[start : start + BATCH]:
                arguments += (encode(lease.key), lease.token, lease.fence, lease.deliveries, lines(gates))
            batches.append(tuple(arguments))
        replies = await self.scripts.run_all("admit", batches)
        return [admission for answer in replies for admission in answers.admissions(answer)]

    async def settle(self, holder: Holder, done: Sequence[tuple[Lease, Verdict]]) -> list[Settlement]:
        parts = _parts(done)
        replies = await self.scripts.run_all("settle", [self._outcomes(holder, part) for part in parts])
        return [
            each for part, reply in zip(parts, replies, strict=True) for each in answers.settlements(reply, len(part))
        ]

    async def turn(self, done: Sequence[tuple[Lease, Verdict]], order: Order) -> tuple[list[Settlement], Claim]:
        early: list[Settlement] = []
        if len(done) > BATCH:
            early = await self.settle(order.holder, done[:-BATCH])
        settle = self._outcomes(order.holder, done[-BATCH:])
        split = scripts.FIRST + 1 + len(settle)
        words, claimed = await self.scripts.run("turn", split, *settle, *arguments.order(order))
        late = answers.settlements(words, len(done[-BATCH:]))
        return early + late, answers.claim(checked(claimed), strikes=order.strikes)

    def _outcomes(self, holder: Holder, done: Sequence[tuple[Lease, Verdict]]) -> tuple[Value, ...]:
        return arguments.outcomes(holder, done, patience=self.terms.unknown_task_ttl)

    def renew(self, holder: Holder, tokens: Sequence[str]) -> frozenset[str]:
        lost: list[bytes] = []
        for start in range(0, len(tokens), BATCH):
            lost += self.scripts.run_blocking("renew", holder.id, *tokens[start : start + BATCH])
        return frozenset(token.decode() for token in lost)

    async def cancel(self, key: str) -> Cancellation:
        (word,) = await self.scripts.run("cancel", encode(key))
        return Cancellation(word.decode())

    async def read(self, key: str, parts: Part = Part.NOTHING, *, run: str | None = None) -> Record | None:
        wanted: list[Value] = [int(part in parts) for part in _PARTS]
        if run is not None:
            wanted.append(run)
        return answers.record(key, await self.scripts.run("read", encode(key), *wanted))

    async def survey(self, limit: int) -> Survey:
        survey = answers.counts(await self.scripts.run("survey", "counts", "", 0))
        records: list[Record] = []
        for line, state in _LINES.items():
            rank = 0
            while len(records) < limit:
                most = min(BATCH, limit - len(records))
                step = answers.waiting(state, await self.scripts.run("survey", line, rank, most))
                records += step
                rank += len(step)
                if not step:
                    break
        begin = "-"
        while len(records) < limit:
            step, last = answers.ready(
                await self.scripts.run("survey", "ready", begin, min(BATCH, limit - len(records)))
            )
            records += step
            if not last:
                break
            begin = f"({last}"
        return attrs.evolve(survey, records=tuple(records))

    async def clear(self) -> int:
        waiting = answers.counts(await self.scripts.run("survey", "counts", "", 0)).counts
        ended = 0
        for line, state in _LINES.items():
            length = waiting.scheduled if state is ExecutionState.SCHEDULED else waiting.parked
            for _ in range(-(-length // BATCH)):
                count, looked, _, _ = await self.scripts.run("clear", line, BATCH)
                ended += int(count)
                if looked < BATCH:
                    break
        after, upto = b"", b""
        while True:
            count, looked, after, upto = await self.scripts.run("clear", "ready", BATCH, after, upto)
            ended += int(count)
            if looked < BATCH:
                return ended

    async def report(self, lease: Lease, progress: Mapping[str, str]) -> bool:
        fields = [part for pair in progress.items() for part in pair]
        (held,) = await self.scripts.run("report", encode(lease.key), lease.token, lease.fence, *fields)
        return bool(held)

    async def progress(self, key: str) -> dict[str, str]:
        reports = self.keys.progress(encode(key))
        fields = await ask_about(self.driver, reports, "HGETALL", reports)
        return {name.decode(): value.decode() for name, value in zip(fields[::2], fields[1::2], strict=True)}

    async def dead(self, *, limit: int, before: str = "") -> list[DeadLetter]:
        newest = f"({before}" if before else "+"
        letters = self.keys.dead
        found = await ask_about(self.driver, letters, "XREVRANGE", letters, newest, "-", "COUNT", limit)
        return [answers.dead_letter(token, fields) for token, fields in found]

    async def letter(self, letter: str) -> DeadLetter | None:
        if not is_id(letter):
            return None
        found = await ask_about(self.driver, self.keys.dead, "XRANGE", self.keys.dead, letter, letter)
        return answers.dead_letter(*found[0]) if found else None

    async def replay(self, replays: Sequence[Replay], *, repeated: bool = False, strikes: str = "") -> list[Replayed]:
        batches = [arguments.replays(part, repeated=repeated, strikes=strikes) for part in _parts(replays)]
        words: list[Replayed] = []
        for answer in await self.scripts.run_all("replay", batches):
            moved = answers.moved(answer, since=strikes)
            if moved is not None:
                raise StrikesMoved(moved, partly=bool(words))
            words += [Replayed(word.decode()) for word in answer]
        return words

    async def discard(self, letters: Sequence[str]) -> list[bool]:
        dead = self.keys.dead
        commands = [("XDEL", dead, letter) for letter in letters if is_id(letter)]
        removed = iter(about(dead, await self.driver.ask(*commands)) if commands else [])
        return [is_id(letter) and bool(next(removed)) for letter in letters]


def _parts[T](several: Sequence[T]) -> list[Sequence[T]]:
    """Return them in parts that a script takes."""
    return [several[start : start + BATCH] for start in range(0, len(several), BATCH)]
