"""From what the scripts answer to the values of the port."""

from __future__ import annotations

from typing import Any

from shadows.adapters.redis import doors
from shadows.adapters.redis.keys import decode
from shadows.core.gates import REASONS
from shadows.core.lifecycle import ExecutionState
from shadows.core.scheduling import Due
from shadows.ports.admission import Admission, Passage
from shadows.ports.broker import Claim, Lease, Placed, Placement, Settlement
from shadows.ports.letters import DeadLetter
from shadows.ports.looking import Counts, Record, Standing, Survey
from shadows.ports.strike_log import Instruction, News

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shadows.ports.broker import Entry

_MARKS: dict[bytes, tuple[Any, ...]] = {b"admitted": (True,), **{word.encode(): (False, word) for word in REASONS}}
"""What the mark of its gates says of a lease: whether it is admitted, and why it was dropped."""
_HEADER, _LEASE, _WAITING, _READY = 10, 3, 5, 14


def claim(answer: list[Any], heard: bytes | None = None, *, strikes: str = "") -> Claim:
    """Return a claim; ``heard`` is the message that ended its wait, if one did, ``strikes`` the order's position."""
    due_in, cursor, more, left, enrolled, started, inbox, moved_to, fence, unusual = answer[:_HEADER]
    fields = iter(answer[_HEADER:])
    leases = [
        Lease(decode(key.decode()), token.decode(), number, 1, payload, 1, int(token.partition(b"-")[0]), started)
        for number, (key, token, payload) in enumerate(zip(*[fields] * _LEASE, strict=True), fence)
    ]
    for place, rest in zip(unusual[::2], unusual[1::2], strict=True):
        at: int = place
        leases[at] = _unusual(leases[at], rest)
    messages = inbox if heard is None else [heard, *inbox]
    return Claim(
        tuple(leases),
        None if due_in < 0 else due_in / 1_000_000,
        cursor.decode(),
        bool(more),
        None if left < 0 else left,
        tuple(_cancel(message) for message in messages if message),
        bool(enrolled),
        news(moved_to, since=strikes),
        started,
    )


def _unusual(lease: Lease, rest: bytes) -> Lease:
    """Return a lease that is not the first one of a first attempt, or was due before it was ready, or has gates."""
    attempt, due, deliveries, mark = rest.split(b" ")
    return Lease(
        lease.key,
        lease.token,
        lease.fence,
        int(attempt),
        lease.payload,
        int(deliveries),
        int(due) if due else lease.due,
        lease.started,
        *_MARKS.get(mark, ()),
    )


def placements(answer: list[Any], entries: Sequence[Entry]) -> list[Placement]:
    """Return what became of these: the answer tells of those that were not simply placed."""
    found = [Placement(Placed.SCHEDULED, entry.run) for entry in entries]
    for number, word, run in zip(answer[::3], answer[1::3], answer[2::3], strict=True):
        found[number] = Placement(Placed(word.decode()), run.decode())
    return found


def settlements(answer: list[Any], count: int) -> list[Settlement]:
    """Return what became of so many leases: the answer tells of those that were not simply settled."""
    found = [Settlement.SETTLED] * count
    for number, word in zip(answer[::2], answer[1::2], strict=True):
        found[number] = Settlement(word.decode())
    return found


def admissions(answer: list[Any]) -> list[Admission]:
    """Return what became of each call at its gates."""
    words = iter(answer)
    return [Admission(Passage(word.decode()), reason.decode()) for word, reason in zip(words, words, strict=True)]


def _cancel(message: bytes) -> tuple[str, int]:
    fence, _, key = message.decode().partition(" ")
    return decode(key), int(fence)


def news(answer: list[Any], *, since: str) -> News | None:
    """Return what is new in the strike log for a reader at ``since``, or None for an empty answer."""
    if not answer:
        return None
    position, anew, *written = answer
    return News(since, position.decode(), tuple(_instructions(written)), bool(anew))


def _instructions(written: list[bytes]) -> Iterator[Instruction]:
    """Yield what stands in the strike log; what a stranger wrote there is passed over."""
    for text in written:
        head, _, strike = text.partition(b"\n")
        try:
            _, name, until, hold, *_ = head.decode("ascii").split(" ")
            due = None if until == "-" else Due(at=int(until))
        except ValueError:
            continue
        yield Instruction(name, strike, due, hold == "1")


def moved(answer: list[Any], *, since: str) -> News | None:
    """Return the news for which a script refused to place anything, None if it did not."""
    first: Any = answer[0] if answer else b""
    return None if isinstance(first, bytes | int) else news(first, since=since)


def record(key: str, answer: list[Any]) -> Record | None:
    """Return one record, or None for an empty answer."""
    if not answer:
        return None
    state, run, attempt, due, fence, worker, started, ended, task, reason, deliveries, cancel = answer[:12]
    has_successor, successor, has_payload, payload, has_result, result, letter, stands = answer[12:]
    return Record(
        key,
        ExecutionState(state.decode()),
        run.decode(),
        int(attempt),
        _number(due),
        _number(fence),
        worker.decode() or None,
        _number(started),
        _number(ended),
        task.decode() or None,
        reason.decode() or None,
        deliveries,
        bool(cancel),
        successor.decode() if has_successor else None,
        payload if has_payload else None,
        result if has_result else None,
        letter.decode() or None,
        standing(stands),
    )


def standing(answer: list[Any]) -> Standing | None:
    """Return what a call waits for, or None for an empty answer."""
    if not answer:
        return None
    gates, at, before, inside, strike, unknown, *holders = answer
    return Standing(
        doors.gate_at(gates.decode(), at.decode()),
        before,
        inside,
        tuple(sorted(decode(key.decode()) for key in holders)),
        strike.decode(),
        _number(unknown),
    )


def _number(text: bytes) -> int | None:
    return int(text) if text else None


def counts(answer: list[Any]) -> Survey:
    """Return a survey that lists nothing."""
    taken, scheduled, queued, running, parked, unknown, dead, oldest = answer
    numbers = Counts(scheduled, queued, running, parked, unknown, dead)
    return Survey(taken, numbers, None if oldest < 0 else oldest, ())


def waiting(state: ExecutionState, answer: list[Any]) -> list[Record]:
    """Return the calls of one step, which are all in this state."""
    rows = zip(*[iter(answer)] * _WAITING, strict=True)
    return [
        Record(
            decode(key.decode()),
            state,
            run.decode(),
            int(attempt),
            int(float(due)) if due else None,
            payload=payload,
        )
        for key, due, run, attempt, payload in rows
    ]


def ready(answer: list[Any]) -> tuple[list[Record], str]:
    """Return the queued and running calls of one step, and the last id that was looked at."""
    records: list[Record] = []
    last = ""
    for row in zip(*[iter(answer)] * _READY, strict=True):
        token, key, state, run, attempt, due, worker, started, fence, *rest = row
        deliveries, cancel, has_successor, successor, payload = rest
        last = token.decode()
        if state in {b"queued", b"running"}:
            running = state == b"running"
            records.append(
                Record(
                    decode(key.decode()),
                    ExecutionState(state.decode()),
                    run.decode(),
                    int(attempt),
                    int(due),
                    _number(fence) if running else None,
                    worker.decode() if running else None,
                    _number(started) if running else None,
                    deliveries=deliveries,
                    cancel_requested=bool(cancel),
                    successor=successor.decode() if has_successor else None,
                    payload=payload,
                )
            )
    return records, last


def dead_letter(token: bytes, fields: list[bytes]) -> DeadLetter:
    """Return one dead letter; what a stranger put among them is one without a key, with its raw fields."""
    found = dict(zip(fields[::2], fields[1::2], strict=True))
    key = found.get(b"key")
    try:
        return DeadLetter(
            token.decode(),
            int(found[b"died"]),
            None if key is None else decode(key.decode()),
            found[b"reason"].decode(),
            int(found.get(b"attempt", 1)),
            int(found.get(b"deliveries", 0)),
            found[b"payload"],
        )
    except (KeyError, ValueError):
        raw = b"".join(b"%d:%b," % (len(field), field) for field in fields)
        return DeadLetter(token.decode(), int(token.partition(b"-")[0]), None, "undecodable", 1, 0, raw)


def netstrings(data: bytes) -> list[bytes]:
    """Return the values of ``b'5:hello,3:you,'``; raise ValueError for anything else."""
    values: list[bytes] = []
    start = 0
    while start < len(data):
        colon = data.index(b":", start)
        length = data[start:colon]
        end = colon + 1 + int(length)
        if not length.isdigit() or data[end : end + 1] != b",":  # a negative length would lead back
            msg = f"no netstring: {data[start : colon + 9]!r}"
            raise ValueError(msg)
        values.append(data[colon + 1 : end])
        start = end + 1
    return values
