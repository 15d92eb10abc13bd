from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows.core import decision
from shadows.core.scheduling import AT_ONCE, Due
from shadows.dependencies.dependency import TaskOutcome
from shadows.dependencies.perpetual import Perpetual
from shadows.dependencies.registry import Registry
from shadows.errors import ConfigurationError
from tests.unit.workplace import running

if TYPE_CHECKING:
    from shadows.core.decision import Decision

S = timedelta(seconds=1)
STARTED = 2_000
"""When the runs of these tests started, in ms."""


async def task(city: str, rate: int = 60, perpetual: Perpetual = Perpetual()) -> None: ...


async def follow(perpetual: Perpetual, error: Exception | None = None) -> Decision | None:
    """Return what it wants to follow after a run of three seconds."""
    return await perpetual.on_complete("the execution", TaskOutcome(3 * S, exception=error))


async def test_a_run_is_followed_by_the_next_from_start_to_start() -> None:
    """INV 27: whether it returned or failed, and with the same arguments."""
    perpetual = Perpetual(every=10 * S).for_run(running())
    assert await follow(perpetual) == decision.follow(Due(at=STARTED + 10_000))
    assert await follow(perpetual, ValueError()) == decision.follow(Due(at=STARTED + 10_000))
    assert await follow(Perpetual().for_run(running())) == decision.follow(Due(at=STARTED))


async def test_the_body_changes_only_its_own_run() -> None:
    """The declared marker is shared by all runs, and a test may call the task with it as a plain function."""
    declared = Perpetual(every=10 * S)
    for perpetual in (declared, declared.for_run(running(function=task))):
        perpetual.every = 5 * S
        perpetual.cancel()
        perpetual.after(S)
        perpetual.perpetuate("Oslo", rate=2)
        assert perpetual.every == 5 * S
    fresh = declared.for_run(running())
    assert fresh.every == 10 * S
    assert await follow(fresh) == decision.follow(Due(at=STARTED + 10_000))
    assert await follow(Perpetual(10 * S)) is None  # outside of a run nothing follows


async def test_the_body_may_change_the_interval() -> None:
    """PARITY: ``every`` is mutable; it counts from the start of the run, and may be zero."""
    perpetual = Perpetual(every=10 * S).for_run(running())
    perpetual.every = timedelta(0)
    assert await follow(perpetual) == decision.follow(Due(at=STARTED))


async def test_the_body_may_say_when_the_next_run_starts() -> None:
    """PARITY: ``after`` counts from the end of the run by the broker's clock, ``at`` is a time; the last one counts."""
    perpetual = Perpetual(every=10 * S).for_run(running())
    perpetual.after(2 * S)
    assert await follow(perpetual) == decision.follow(Due(after=2_000))
    perpetual.after(timedelta(0))
    assert await follow(perpetual) == decision.follow(AT_ONCE)
    perpetual.at(datetime(2030, 1, 1, tzinfo=UTC))
    assert await follow(perpetual) == decision.follow(Due(at=1_893_456_000_000))


async def test_the_body_may_give_the_next_run_other_arguments() -> None:
    """PARITY: ``perpetuate``; they are checked against the task at once."""
    perpetual = Perpetual(every=10 * S).for_run(running("Oslo", function=task))
    with pytest.raises(TypeError, match="'speed'"):
        perpetual.perpetuate("Oslo", speed=9)
    assert await follow(perpetual) == decision.follow(Due(at=STARTED + 10_000))
    perpetual.perpetuate("Oslo", rate=30)
    assert await follow(perpetual) == decision.follow(Due(at=STARTED + 10_000), ("Oslo",), {"rate": 30})


async def test_a_cancelled_one_is_followed_by_nothing() -> None:
    """PARITY: ``cancel``, also when the body then fails."""
    perpetual = Perpetual(every=10 * S).for_run(running())
    perpetual.cancel()
    assert await follow(perpetual) == decision.last()
    assert await follow(perpetual, ValueError()) == decision.last()


async def test_an_automatic_one_starts_at_once_and_names_its_schedule() -> None:
    """INV 28: what follows carries the declared interval's name, whatever the body makes of ``every``."""
    declared = Perpetual(every=10 * S, automatic=True)
    assert declared.first(datetime.now(UTC)) == AT_ONCE
    perpetual = declared.for_run(running())
    perpetual.every = S
    wanted = await follow(perpetual)
    assert wanted is not None
    assert wanted.definition == declared.definition == Perpetual(10 * S).definition != Perpetual(S).definition
    assert 0 < len(declared.definition) <= 64
    assert [repr(declared), repr(Perpetual())] == ["Perpetual(every 10s, automatic)", "Perpetual(every 0s)"]


def test_an_automatic_task_requires_no_arguments() -> None:
    """PARITY: refused at registration, with the parameters that stand in the way."""

    async def needy(city: str, *, rate: int, perpetual: Perpetual = Perpetual(automatic=True)) -> None: ...

    with pytest.raises(ConfigurationError, match=r"needy\(\) is started automatically.*requires 'city', 'rate'"):
        Registry().register(needy)


@pytest.mark.parametrize("wrong", [-S, float("nan"), True, "5parsecs"])
def test_a_wrong_duration_is_refused_where_it_is_written(wrong: Any) -> None:
    """FAULT 17: zero is allowed for ``every`` and ``after``, a negative time or no time is not."""
    with pytest.raises(ConfigurationError, match=r"Perpetual every="):
        Perpetual(wrong)
    with pytest.raises(ConfigurationError, match=r"every="):
        Perpetual().every = wrong
    with pytest.raises(ConfigurationError, match=r"delay="):
        Perpetual().after(wrong)


def test_a_wrong_time_is_refused_where_it_is_written() -> None:
    """FAULT 14."""
    naive, wrong = datetime(2030, 1, 1), 5  # noqa: DTZ001 - the point of the test
    with pytest.raises(ConfigurationError, match="naive"):
        Perpetual().at(naive)
    with pytest.raises(TypeError, match="when=5"):
        Perpetual().at(wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
