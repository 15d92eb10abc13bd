"""Every limit has an error that names what was too large, its size and the limit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shadows.adapters.clock import SystemClock
from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.calls import Calls
from shadows.core import names, strikes
from shadows.core.envelope import Envelope, pack
from shadows.core.settings import shadow_options
from shadows.dependencies.registry import Registry
from shadows.engine.outcomes import Outcomes
from shadows.engine.wire import Wire
from shadows.errors import ConfigurationError, PayloadTooLarge, SerializationError
from shadows.wiring import wire_of

WIRE = Wire.of(CloudpickleCodec())


async def ship(what: object) -> None: ...


def place(**options: object) -> None:
    chosen = shadow_options({"max_payload": 2_000, **options}, {})
    calls = Calls(Registry(), chosen, wire_of(chosen, SystemClock()), SystemClock(), allow_unknown=False)
    calls.make(ship, None, "k", (b"x" * 1_950,), {})


SIZES: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: Outcomes(WIRE, 9).of_result("x" * 3_000, "k", 1), PayloadTooLarge, "result has 3,0.. bytes; 9 are"),
    (lambda: names.task_key("ü" * 300), ConfigurationError, "key=.* has 600 bytes of UTF-8, more than 512"),
    (lambda: names.task_name("x" * 201), ConfigurationError, "task=.* has 201 bytes of UTF-8, more than 200"),
    (lambda: names.worker_name("x" * 129), ConfigurationError, "name=.* has 129 bytes of UTF-8, more than 128"),
    (lambda: names.shadow_name("x" * 65), ConfigurationError, r"name=.*\(65 characters\).*use 1 to 64"),
    (lambda: strikes.pack("p", b"x" * 5_000), ConfigurationError, "strike has 5,002 bytes; 4,096 are allowed"),
    (lambda: pack(Envelope("t", "p", {"a": "x" * 70_000}, b"")), SerializationError, "70,008 bytes; at most 65,535"),
    (lambda: shadow_options({"max_payload": 1 << 40}, {}), ConfigurationError, "use 1 to 524288000 bytes"),
    (lambda: place(secret=b"0123456789abcdef"), PayloadTooLarge, "arguments of ship have 2,0.. bytes; 2,000 are"),
]


@pytest.mark.parametrize(("exceed", "kind", "words"), SIZES)
def test_what_is_too_large_is_refused_with_both_sizes(
    exceed: Callable[[], object], kind: type[Exception], words: str
) -> None:
    """FAULT 7: before it is sent."""
    with pytest.raises(kind, match=words):
        exceed()


def test_what_a_seal_takes_counts() -> None:
    """The limit is for what the server has to keep."""
    place()
