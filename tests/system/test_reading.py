"""Every program that the five documents print is typed in by a test, or has a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.reading import DOCUMENTS, LEFT_OUT, SEEDS, blocks, typed_in

pytestmark = pytest.mark.skipif(not SEEDS.is_dir(), reason=f"{SEEDS} is not there")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_is_typed_by_a_test_or_has_a_reason(document: str) -> None:
    """None is left out by accident, and none is excused that is typed."""
    typed: set[tuple[str, int]] = set()
    for file in Path(__file__).parent.glob("test_*.py"):
        typed |= typed_in(file.read_text())
    printed = {(document, number) for number in range(len(blocks(document)))}
    assert printed
    excused = printed & set(LEFT_OUT)
    assert printed & typed == printed - excused


def test_what_is_excused_exists() -> None:
    """A reason for a block that there is not would hide the next one that is forgotten."""
    assert all(number < len(blocks(document)) for document, number in LEFT_OUT)


def test_a_block_counts_as_typed_only_by_the_reader_of_its_document() -> None:
    """Two readers in one test are told apart."""
    source = """
async def test_it(reader):
    one = reader("001")
    other = Reader("004", "memory://x")
    await one.types(3, until="x")
    await other.types(0)
    await another.types(7)
"""
    assert typed_in(source) == {("001", 3), ("004", 0)}
