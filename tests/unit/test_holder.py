from __future__ import annotations

from datetime import timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.core.holder import Holder, holder, name_of


def test_an_identity_tells_name_nonce_and_length_of_its_leases() -> None:
    """SEMANTICS, claiming: whoever looks at an expired lease judges it by its holder's length."""
    assert holder("w", timedelta(minutes=5), nonce="beef") == Holder("w", "w@beef:300000", 300_000)


def test_a_lease_of_a_fraction_of_a_millisecond_is_rounded_up() -> None:
    """A lease of 0 ms would be lost before it was given."""
    assert holder("w", timedelta(microseconds=1), nonce="x").lease == 1


def test_two_workers_of_one_name_are_told_apart() -> None:
    """SEMANTICS, claiming: a name is for people and may repeat."""
    assert holder("w", timedelta(1), nonce="a").id != holder("w", timedelta(1), nonce="b").id


@given(st.text(min_size=1), st.text("0123456789abcdef", min_size=1))
def test_the_name_can_be_read_from_the_identity(name: str, nonce: str) -> None:
    """Whatever the name holds, ``@`` and colons included."""
    assert name_of(holder(name, timedelta(seconds=1), nonce=nonce).id) == name


def test_what_is_no_identity_has_no_name() -> None:
    """Anybody can write into a list of workers; that breaks no snapshot."""
    assert name_of("somebody") == ""


def test_an_identity_never_changes() -> None:
    """Leases are compared by it."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        holder("w", timedelta(1), nonce="a").lease = 5  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
