from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from shadows.adapters.observers.log import LogObserver
from shadows.core import verdict
from shadows.core.envelope import Envelope, pack
from shadows.core.holder import holder
from shadows.core.scheduling import Due
from shadows.core.verdict import Verdict
from shadows.dependencies import AdmissionBlocked
from shadows.errors import BrokerUnavailable, NotAuthentic
from shadows.ports.broker import Lease, Settlement
from shadows.ports.observer import Observer
from shadows.ports.seeding import Seeding

LEASE = Lease("order-7", "1-0", 4, 2, b"secret arguments", 1, 0, 0)
WHO = holder("w", timedelta(seconds=1), nonce="x")
OBSERVER: Observer = LogObserver("shop")
BROKEN = ValueError("no such order")


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "shadows")


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    """Return logger, level and text of each line."""
    return [(record.name, record.levelname, record.getMessage()) for record in caplog.records]


def test_a_body_that_starts_is_named_with_its_attempt(caplog: pytest.LogCaptureFixture) -> None:
    """A redelivery says so."""
    OBSERVER.started("send", LEASE, "send('me', ...)")
    OBSERVER.started("send", Lease("k", "1-0", 5, 1, b"", 3, 0, 0), "send()")
    assert lines(caplog) == [
        ("shadows.task", "INFO", "send('me', ...): order-7 started (attempt 2)"),
        ("shadows.task", "INFO", "send(): k started (attempt 1, delivery 3)"),
    ]


@pytest.mark.parametrize(
    ("judged", "level", "text", "error"),
    [
        (verdict.completed("send"), "INFO", "send: order-7 completed", None),
        (verdict.completed("send", reason="cancel_ignored"), "INFO", "send: order-7 completed (cancel_ignored)", None),
        (verdict.failed("send", b""), "ERROR", "send: order-7 failed", BROKEN),
        (verdict.failed("send", b"", reason="timeout"), "ERROR", "send: order-7 failed (timeout)", BROKEN),
        (
            verdict.again(b"", attempt=3, due=Due(after=5)),
            "WARNING",
            "send: order-7 failed and will be tried again (attempt 3 next)",
            BROKEN,
        ),
        (verdict.cancelled("send"), "INFO", "send: order-7 cancelled (cancelled)", None),
        (verdict.handed_back(b"", attempt=2), "INFO", "send: order-7 handed back", None),
    ],
)
def test_a_body_that_ends_is_told_with_what_becomes_of_it(
    caplog: pytest.LogCaptureFixture, judged: Verdict, level: str, text: str, error: BaseException | None
) -> None:
    """A failure has its traceback; a retry is a warning, for nothing is lost yet."""
    OBSERVER.ended("send", LEASE, judged, error)
    assert lines(caplog) == [("shadows.task", level, text)]
    (record,) = caplog.records
    assert (record.exc_info[1] if record.exc_info else None) is error


def test_routine_costs_nothing_where_nobody_reads_it(caplog: pytest.LogCaptureFixture) -> None:
    """A busy worker says thousands of such lines a second; what failed is told all the same."""
    caplog.set_level(logging.WARNING, "shadows")
    OBSERVER.started("send", LEASE, "send()")
    OBSERVER.ended("send", LEASE, verdict.completed("send"), None)
    OBSERVER.ended("send", LEASE, verdict.cancelled("send"), None)
    assert lines(caplog) == []
    OBSERVER.ended("send", LEASE, verdict.failed("send", b""), BROKEN)
    assert [level for _, level, _ in lines(caplog)] == ["ERROR"]


@pytest.mark.parametrize(
    ("judged", "settlement", "level", "text"),
    [
        (verdict.completed("t"), Settlement.SUPERSEDED, "INFO", "order-7: superseded instead of completed"),
        (verdict.failed("t", b""), Settlement.BROKEN, "ERROR", "order-7: broken instead of failed"),
        (verdict.again(b"", attempt=3), Settlement.CANCELLED, "INFO", "order-7: cancelled instead of tried again"),
        (
            verdict.handed_back(b"", attempt=2),
            Settlement.CANCELLED,
            "INFO",
            "order-7: cancelled instead of handed back",
        ),
        (verdict.unknown(b"", attempt=2), Settlement.BURIED, "ERROR", "order-7: buried instead of unknown task"),
        (
            verdict.dead(b"", attempt=2, reason="r"),
            Settlement.BURIED,
            "ERROR",
            "order-7: buried instead of dead letter",
        ),
    ],
)
def test_a_settle_that_went_another_way_is_told(
    caplog: pytest.LogCaptureFixture, judged: Verdict, settlement: Settlement, level: str, text: str
) -> None:
    """What needs somebody's eyes is an error; what a cancel or a faster worker did is not."""
    OBSERVER.settled(LEASE, judged, settlement)
    assert lines(caplog) == [("shadows.worker", level, text)]


def test_a_call_that_is_not_run_is_told_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    """FAULT 47, FAULT 44: never silently."""
    OBSERVER.refused("send", LEASE, verdict.unknown(b"", attempt=2))
    OBSERVER.refused("?", LEASE, verdict.dead(b"", attempt=2, reason="undecodable"))
    OBSERVER.refused("send", LEASE, verdict.cancelled("send", reason="run_at_most"))
    assert lines(caplog) == [
        ("shadows.worker", "WARNING", "send: order-7 is not run here: unknown task"),
        ("shadows.worker", "WARNING", "?: order-7 is not run here: dead letter (undecodable)"),
        ("shadows.worker", "WARNING", "send: order-7 is not run here: cancelled (run_at_most)"),
    ]


def test_the_life_of_a_worker_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """From its first words to its last."""
    OBSERVER.working(WHO, 3)
    OBSERVER.lost(LEASE)
    OBSERVER.left(2, 1, 3)
    OBSERVER.stopping(WHO, 4)
    OBSERVER.stopped(WHO)
    assert lines(caplog) == [
        ("shadows.worker", "INFO", "worker w of shadow shop knows 3 tasks"),
        ("shadows.worker", "WARNING", "order-7: the lease was lost; its body is cancelled"),
        (
            "shadows.worker",
            "WARNING",
            "nothing is left to do but 2 calls of tasks that nobody here knows, 3 held at strikes; 1 dead letters",
        ),
        ("shadows.worker", "INFO", "worker w stops; 4 calls still run"),
        ("shadows.worker", "INFO", "worker w has stopped"),
    ]


def test_a_server_that_is_away_is_told_with_the_reason_and_the_next_try(caplog: pytest.LogCaptureFixture) -> None:
    """FAULT 54: at once, at each longer pause, and when it is back; a line a minute reminds of a long outage."""
    now, away = [100.0], BrokerUnavailable("redis://h/0: reset")
    observer = LogObserver("shop", monotonic=lambda: now[0])
    for at, failures, pause in ((100.0, 1, 0.04), (100.04, 2, 0.08), (100.12, 20, 0.08), (161.0, 21, 0.08)):
        now[0] = at
        observer.disrupted(away, failures, pause)
    now[0] = 163.0
    observer.recovered()
    observer.recovered()
    assert lines(caplog) == [
        ("shadows.worker", "WARNING", "the broker is away (redis://h/0: reset); try 2 in 0.04 s"),
        ("shadows.worker", "WARNING", "the broker is away (redis://h/0: reset); try 3 in 0.08 s"),
        ("shadows.worker", "WARNING", "the broker is away for 61 s (redis://h/0: reset); try 22 in 0.08 s"),
        ("shadows.worker", "INFO", "the broker is back after 63.0 s"),
    ]


def test_a_clock_that_jumps_is_told_with_what_follows(caplog: pytest.LogCaptureFixture) -> None:
    """FAULT 76: how far, in which direction, and what that does to the calls."""
    observer = LogObserver("shop")
    observer.clock_jumped(3599.6)
    observer.clock_jumped(-60.2)
    follows = "against ours: calls that wait and expired leases come"
    assert lines(caplog) == [
        ("shadows.worker", "WARNING", f"the server's clock has jumped 3600 s ahead {follows} early by that"),
        ("shadows.worker", "WARNING", f"the server's clock has jumped 60 s back {follows} late by that"),
    ]


def test_a_server_that_comes_and_goes_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """FAULT 54: what was not told is counted in the next line that is."""
    now = [0.0]
    observer = LogObserver("shop", monotonic=lambda: now[0])
    for second in range(62):
        now[0] = second
        observer.disrupted(BrokerUnavailable("redis://h/0: reset"), 1, 0.04)
        observer.recovered()
    texts = [text for _, _, text in lines(caplog)]
    assert len(texts) <= 12 + 4
    assert any(text.endswith("; it was 54 times since this was last said") for text in texts)


def every_word(task: str, lease: Lease) -> None:
    """Say all that is said about a call."""
    OBSERVER.started(task, lease, f"{task}()")
    for judged in (verdict.completed(task), verdict.failed(task, b""), verdict.cancelled(task)):
        OBSERVER.ended(task, lease, judged, None)
    OBSERVER.ended(task, lease, verdict.again(b"", attempt=2), None)
    OBSERVER.settled(lease, verdict.completed(task), Settlement.BROKEN)
    OBSERVER.refused(task, lease, verdict.unknown(b"", attempt=1))
    OBSERVER.lost(lease)


def test_nobody_forges_a_line_of_the_log_by_a_key_or_a_name(caplog: pytest.LogCaptureFixture) -> None:
    """FAULT 9: keys are often made of what somebody typed into a form; a newline or an escape sequence stays in it."""
    every_word("se\nnd", Lease("a\r\nERROR b\x1b[2J\u202ec", "1-0", 4, 1, b"", 1, 0, 0))
    texts = [text for _, _, text in lines(caplog)]
    assert len(texts) == 8
    assert all(text.isprintable() for text in texts)
    assert all(r"a\r\nERROR b\x1b[2J\u202ec" in text for text in texts)


def test_ordinary_text_of_any_language_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """Only what does not print is escaped; a quote or a backslash prints."""
    OBSERVER.lost(Lease(r"日本語 'é' \ 😀", "1-0", 4, 1, b"", 1, 0, 0))
    assert lines(caplog)[0][2].startswith(r"日本語 'é' \ 😀: ")


def test_arguments_reach_no_line(caplog: pytest.LogCaptureFixture) -> None:
    """INV 45: neither the text nor what a formatter could find in it."""
    every_word("send", LEASE)
    assert "secret" not in caplog.text
    assert "secret" not in repr([record.args for record in caplog.records])
    assert "secret" not in repr(LEASE)


def test_an_automatic_task_that_is_placed_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """One that cannot be placed is an error: its key holds something that is not ours."""
    OBSERVER.seeded("nightly", Seeding.SEEDED)
    OBSERVER.seeded("nightly", Seeding.CHANGED)
    OBSERVER.seeded("night\nly", Seeding.BROKEN)
    assert lines(caplog) == [
        ("shadows.worker", "INFO", "nightly: the automatic task is seeded"),
        ("shadows.worker", "INFO", "nightly: the automatic task is changed"),
        (
            "shadows.worker",
            "ERROR",
            "night\\nly: the automatic task cannot be placed; its record holds something else",
        ),
    ]


def test_a_run_that_was_put_off_has_not_failed(caplog: pytest.LogCaptureFixture) -> None:
    """INV 22: being blocked is no failure; the reason is an author's text."""
    blocked = AdmissionBlocked(None, "full\nup")
    OBSERVER.ended("send", LEASE, verdict.again(b"", attempt=2), blocked)
    OBSERVER.ended("send", LEASE, verdict.cancelled("send", reason="full\nup"), None)
    assert lines(caplog) == [
        ("shadows.task", "INFO", r"send: order-7 is put off (full\nup)"),
        ("shadows.task", "INFO", r"send: order-7 cancelled (full\nup)"),
    ]


def test_a_clean_up_that_went_wrong_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """FAULT 41: also when the run has ended for another reason."""
    OBSERVER.untidy("send", BROKEN)
    assert lines(caplog) == [("shadows.worker", "WARNING", "send: a clean-up went wrong")]
    assert caplog.records[0].exc_info is not None


CALL = Lease("order-7", "1-0", 4, 2, pack(Envelope("send", "p", {}, b"secret arguments")), 1, 0, 0)


def test_a_body_that_goes_on_after_its_cancel_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """FAULT 32: a second cancel may reach a coroutine; nothing reaches a thread."""
    OBSERVER.ignored(CALL, 5.0, in_thread=False)
    OBSERVER.ignored(LEASE, 5.0, in_thread=True)
    said = "goes on 5.0 s after it was cancelled; it keeps its slot until it ends, and is cancelled"
    assert lines(caplog) == [
        ("shadows.worker", "WARNING", f"send: order-7 {said} once more"),
        ("shadows.worker", "WARNING", f"?: order-7 {said} once more, which reaches no thread"),
    ]


def test_a_body_that_blocks_is_told_of_with_its_place(caplog: pytest.LogCaptureFixture) -> None:
    """FAULT 33: and when the others are left to other workers, which costs them a delivery."""
    OBSERVER.stuck(CALL, 1.0, "  line 1\n")
    OBSERVER.stuck(None, 1.0, "  line 1\n")
    OBSERVER.abandoned(CALL, 30.0)
    told = lines(caplog)
    assert [level for _, level, _ in told] == ["WARNING", "WARNING", "ERROR"]
    assert told[0][2].startswith("send: order-7 has blocked the event loop for 1.0 s; every other call")
    assert told[0][2].endswith("\n  line 1\n")
    assert told[1][2].startswith("something: no call that is known has blocked")
    assert told[2][2].endswith("all other calls of this worker are left to other workers")


def test_what_a_body_leaves_behind_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """FAULT 37: by the functions, which is what one looks for in the source."""
    OBSERVER.left_behind(CALL, ["poll", "watch"], cancelled=True)
    OBSERVER.left_behind(CALL, ["poll"], cancelled=False)
    said = "send: order-7 has ended and left asyncio tasks behind"
    assert [text for _, _, text in lines(caplog)] == [f"{said} (poll, watch); they are cancelled", f"{said} (poll)"]


def test_a_held_call_and_a_strike_that_nobody_can_read_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """INV 46: such a strike forbids nothing, and somebody has to know."""
    OBSERVER.settled(LEASE, verdict.held(b"", attempt=1, strike="s", strikes="1-0", due=0), Settlement.SUPERSEDED)
    OBSERVER.unreadable_strike("s", BROKEN)
    assert lines(caplog) == [
        ("shadows.worker", "INFO", "order-7: superseded instead of held"),
        ("shadows.strikes", "ERROR", "the strike s forbids nothing here: no such order"),
    ]


def test_what_the_text_says_is_in_fields_too(caplog: pytest.LogCaptureFixture) -> None:
    """For logs that are searched by field: task, key, attempt, worker and shadow, and never an argument."""
    observer = LogObserver("shop", "w-1")
    observer.started("send", LEASE, "send('me', ...)")
    observer.ended("send", LEASE, verdict.completed("send"), None)
    observer.working(WHO, 3)
    of_call = {"shadow": "shop", "worker": "w-1", "task": "send", "key": "order-7", "attempt": 2}
    facts = [{name: vars(record).get(name) for name in of_call} for record in caplog.records]
    assert facts == [of_call, of_call, {**dict.fromkeys(of_call), "shadow": "shop", "worker": "w-1"}]


def test_what_nobody_we_trust_has_written_is_told_to_a_logger_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """FAULT 48: so that somebody can be woken by it."""
    OBSERVER.distrusted("call", "order-7\n", NotAuthentic("it is not signed"))
    assert lines(caplog) == [("shadows.security", "ERROR", "the call order-7\\n is not decoded: it is not signed")]
