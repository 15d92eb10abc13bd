"""What other programs use changes only knowingly: the file beside this one says what it is."""

from __future__ import annotations

import difflib

from tools import public_api


def test_the_public_names_and_signatures_are_those_that_are_written_down() -> None:
    """After a change that is meant, `python3 dev.py api` writes the file anew; the difference is for the review."""
    written, found = public_api.FILE.read_text().splitlines(), public_api.text().splitlines()
    difference = list(difflib.unified_diff(written, found, "written down", "found", lineterm="", n=0))
    assert difference == [], "if it is meant: python3 dev.py api"


def test_it_says_the_same_each_time() -> None:
    """No addresses, no order that changes."""
    assert public_api.text() == public_api.text()
    assert " at 0x" not in public_api.text()
