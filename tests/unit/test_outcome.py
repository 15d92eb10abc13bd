from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.core.failures import decode_failure
from shadows.core.outcome import Outcome, OutcomeKind, lost, pack, raised, returned, stored, stored_name, unpack
from shadows.errors import SerializationError, TaskFailed, Undecodable

FIXTURES = Path(__file__).parent / "fixtures" / "wire-1"


def test_the_layout_is_the_documented_one_byte_for_byte() -> None:
    """INV 47: other versions rely on it, so it changes only together with the version."""
    assert pack(returned("p", b"BODY")) == b"\x01rpBODY"
    assert pack(raised("j", b"")) == b"\x01ej"
    assert pack(stored("-", "0a-1", b"")) == b"\x01s-\x040a-1"
    assert pack(stored("p", "0a-1", b"WORDS")) == b"\x01sp\x040a-1WORDS"
    assert pack(lost("p", b"WORDS")) == b"\x01lpWORDS"


def test_only_what_is_stored_elsewhere_has_a_name() -> None:
    """And whoever asks for it gets it without reading the rest."""
    named = [stored_name(data) for data in (b"", pack(returned("p", b"")), pack(stored("-", "0a-1", b"WORDS")))]
    assert named == ["", "", "0a-1"]


def test_a_result_that_a_released_version_wrote_can_still_be_read() -> None:
    """INV 47: the file was written by format version 1; it is never to be written again."""
    found = unpack((FIXTURES / "result.bin").read_bytes())
    assert (found.kind, found.codec) == (OutcomeKind.RETURNED, "p")
    assert CloudpickleCodec().decode(found.body) == {"total": 12.5, "lines": ["a", "b"]}


@pytest.mark.parametrize(
    ("file", "kind", "message"),
    [("exception", ValueError, "no such order"), ("exception-in-words", TaskFailed, "orders.Gone: order 7 is gone")],
)
def test_an_exception_that_a_released_version_wrote_can_still_be_read(
    file: str, kind: type[Exception], message: str
) -> None:
    """INV 47: both the one that travelled itself and the one that is only described."""
    found = unpack((FIXTURES / f"{file}.bin").read_bytes())
    assert (found.kind, found.codec) == (OutcomeKind.RAISED, "p")
    error = decode_failure(CloudpickleCodec(), found.body)
    assert (type(error), str(error)) == (kind, message)
    assert "Traceback (most recent call last)" in str(error.__cause__)


@given(st.sampled_from(OutcomeKind), st.characters(codec="ascii"), st.binary(max_size=50))
def test_what_is_packed_is_unpacked(kind: OutcomeKind, codec: str, body: bytes) -> None:
    """Whatever the result holds."""
    packed = Outcome(kind, codec, body, "0a-1" if kind is OutcomeKind.STORED else "")
    assert unpack(pack(packed)) == packed


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut short"),
        (b"\x01", "cut short"),
        (b"\x01r", "cut short"),
        (b"\x01xp", "no known kind"),
        (b"\x01r\xff", "no ASCII"),
        (b"\x01s-", "a name that cannot be one"),
        (b"\x01s-\x00", "a name that cannot be one"),
        (b"\x01s-\x03ab", "a name that cannot be one"),
        (b"\x01s-\x03../", "a name that cannot be one"),
        (b"\x80\x05.", "not written by shadows"),
    ],
)
def test_a_garbled_outcome_is_undecodable_with_the_reason(data: bytes, reason: str) -> None:
    """INV 15: whoever waits for the result gets an error in words."""
    with pytest.raises(Undecodable, match=reason) as caught:
        unpack(data)
    assert not caught.value.temporary


def test_an_outcome_of_a_newer_version_needs_a_newer_reader() -> None:
    """INV 47: the reader is told to upgrade."""
    with pytest.raises(Undecodable, match=r"the outcome has format version 2.*upgrade") as caught:
        unpack(b"\x02rp")
    assert caught.value.temporary


@pytest.mark.parametrize("codec", ["", "pp", "é"])
def test_a_codec_s_id_is_one_ascii_character(codec: str) -> None:
    """The layout has one byte for it."""
    with pytest.raises(SerializationError, match="one ASCII character"):
        pack(returned(codec, b""))


def test_an_outcome_does_not_show_its_body() -> None:
    """INV 45: results are as private as arguments."""
    assert "secret" not in repr(returned("p", b"secret"))
