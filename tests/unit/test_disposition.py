from __future__ import annotations

import json

import pytest

from shadows.core.disposition import Disposition


@pytest.mark.parametrize("one", Disposition)
def test_a_disposition_is_its_word(one: Disposition) -> None:
    """Programs log it, compare it and send it as JSON without knowing the enum."""
    assert one == one.value == one.name.lower() == f"{one}"
    assert json.loads(json.dumps(one)) == one
    assert Disposition(one.value) is one


def test_the_dispositions_are_these() -> None:
    """They are public; whoever matches on them shall hear of a new one."""
    assert {one.value for one in Disposition} == {
        "loaded", "scheduled", "already_scheduled", "struck", "superseded", "failed",
    }  # fmt: skip
