"""The exam that every backend sits: the tests of the ports, which memory, Redis and Valkey pass in our own suite.

The author of another backend gives a fixture, and collects the questions::

    from shadows.testing.exam import *

    @pytest.fixture
    async def harness():
        async with MyHarness() as harness:
            yield harness

A question is an asynchronous test that takes a :class:`Harness`.  They need pytest, and pytest-asyncio in its mode
``auto``, or ``pytestmark = pytest.mark.asyncio`` in that file.  What the verbs mean is written at the ports.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shadows.testing.exam.harness import Harness, MemoryHarness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

QUESTIONS: Final = (
    "admit",
    "cancel",
    "claim",
    "clear",
    "dead",
    "event_bus",
    "follow",
    "gates_slots",
    "gates_windows",
    "keys",
    "patience",
    "presence",
    "read",
    "renew",
    "replay",
    "report",
    "schedule",
    "seed",
    "settle",
    "standing",
    "strike_log",
    "strikes",
    "survey",
    "turn",
)
"""What is asked about, one file each."""

_INSTALLED: Final = Path(__file__).parent / "questions"
"""Where the files are that came with the package."""
_CHECKOUT: Final = Path(__file__).parents[4] / "tests" / "contract"
"""Where they are otherwise: they are a part of our own suite."""


def _module(name: str) -> ModuleType:
    full = f"shadows.testing.exam.questions.test_{name}"
    if _INSTALLED.exists():  # pragma: no cover - tried with an installed package, which is not measured
        return import_module(full)  # where pytest sees it, and lets its asserts tell what they compare
    spec = spec_from_file_location(full, _CHECKOUT / f"test_{name}.py")
    if spec is None or spec.loader is None:
        raise AssertionError(full)
    module = sys.modules[full] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _questions() -> Iterator[tuple[str, Any]]:
    """Give each test that needs nothing but a harness; others of our own look behind the curtain of a server."""
    for name in QUESTIONS:
        for test, question in vars(_module(name)).items():
            if test.startswith("test_") and "harness" in inspect.signature(question).parameters:
                yield test, question


_found: Final = dict(_questions())
globals().update(_found)
__all__ = ["Harness", "MemoryHarness"]
__all__ += list(_found)  # pyright: ignore[reportUnsupportedDunderAll]
