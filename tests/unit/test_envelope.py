from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.core.envelope import NO_HEADERS, Envelope, pack, unpack
from shadows.errors import ConfigurationError, SerializationError, Undecodable

FIXTURES = Path(__file__).parent / "fixtures" / "wire-1"
TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


def words() -> st.SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8"), max_size=20)


def test_the_layout_is_the_documented_one_byte_for_byte() -> None:
    """INV 47: other versions rely on it, so it changes only together with the version."""
    assert pack(Envelope("grüße", "p", NO_HEADERS, b"ARGS")) == b"\x01\x07gr\xc3\xbc\xc3\x9fep\0\0ARGS"
    assert pack(Envelope("t", "j", {"a": "b"}, b"")) == b'\x01\x01tj\0\x09{"a":"b"}'


@pytest.mark.parametrize(
    ("file", "task", "headers", "arguments"),
    [
        ("call", "send_mail", {}, ((1, "hello"), {})),
        ("call-traced", "grüße 🦊", TRACE, (("a\0b",), {"amount": 12.5, "items": [1, None]})),
        ("call-with-unknown-headers", "send_mail", {**TRACE, "from-the-future": "kept"}, ((), {})),
    ],
)
def test_a_call_that_a_released_version_wrote_can_still_be_read(
    file: str, task: str, headers: dict[str, str], arguments: object
) -> None:
    """INV 47: the files were written by format version 1; they are never to be written again."""
    found = unpack((FIXTURES / f"{file}.bin").read_bytes())
    assert (found.task, found.codec, found.headers) == (task, "p", headers)
    assert CloudpickleCodec().decode(found.arguments) == arguments


@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=50),
    st.characters(codec="ascii"),
    st.dictionaries(words(), words(), max_size=5),
    st.binary(max_size=50),
)
def test_what_is_packed_is_unpacked(task: str, codec: str, headers: dict[str, str], arguments: bytes) -> None:
    """Whatever the names, the headers and the arguments hold."""
    envelope = Envelope(task, codec, headers, arguments)
    assert unpack(pack(envelope)) == envelope


@given(st.binary(max_size=40))
def test_no_bytes_whatever_get_an_error_of_another_kind(data: bytes) -> None:
    """INV 15: garbage from the broker is Undecodable, and nothing else."""
    for candidate in (data, b"\x01" + data, b"\x01\x01t" + data, b"\x01\x01tp\0\x04" + data):
        try:
            assert unpack(candidate).task
        except Undecodable:
            continue


def test_a_payload_that_is_cut_short_is_undecodable_wherever_it_was_cut() -> None:
    """FAULT 44: each prefix that lacks a part is refused, for good."""
    whole = pack(Envelope("send_mail", "p", TRACE, b""))
    for length in range(len(whole)):
        with pytest.raises(Undecodable, match="cut short") as caught:
            unpack(whole[:length])
        assert not caught.value.temporary


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x01\x00p\0\0", "names no task"),
        (b"\x01\x01\xffp\0\0", "no text"),
        (b"\x01\x01t\xff\0\0", "no text"),
        (b"\x01\x01tp\0\x01{", "no JSON"),
        (b"\x01\x01tp\0\x02\xff\xff", "no JSON"),
        (b"\x01\x01tp\0\x02[]", "no JSON object"),
        (b"\x01\x01tp\0\x03{}x", "no JSON object"),
        (b'\x01\x01tp\0\x07{"a":1}', "other than text"),
        (b"\x01\x01tp\xff\xff" + b"[" * 0xFFFF, "no JSON"),
        (b"\x00\x01tp\0\0", "not written by shadows.*0x00"),
        (b"\x80\x05]\x94.", "not written by shadows.*0x80"),
    ],
)
def test_a_garbled_payload_is_undecodable_with_the_reason(data: bytes, reason: str) -> None:
    """INV 15: it is quarantined, with words for whoever looks at it."""
    with pytest.raises(Undecodable, match=reason) as caught:
        unpack(data)
    assert not caught.value.temporary


@pytest.mark.parametrize("data", [b"\x02", b"\x02\x01", b"\x02\x01tp\0\0", b"\x1f\xff"])
def test_a_payload_of_a_newer_version_is_left_to_a_newer_worker(data: bytes) -> None:
    """FAULT 44: it is undecodable only here and now, however different its layout is."""
    with pytest.raises(Undecodable, match="format version") as caught:
        unpack(data)
    assert caught.value.temporary


def test_what_cannot_be_packed_is_refused_by_the_producer() -> None:
    """A name, a codec's id or headers that the layout has no room for."""
    with pytest.raises(ConfigurationError, match="task='xxx"):
        pack(Envelope("x" * 201, "p", NO_HEADERS, b""))
    for codec in ("", "pp", "é"):
        with pytest.raises(SerializationError, match="one ASCII character"):
            pack(Envelope("t", codec, NO_HEADERS, b""))
    with pytest.raises(SerializationError, match=r"headers of 't' have 65,5.. bytes"):
        pack(Envelope("t", "p", {"baggage": "x" * 65_530}, b""))
    wrong: Any = {"attempt": 1}
    with pytest.raises(TypeError):
        pack(Envelope("t", "p", wrong, b""))


def test_an_envelope_shows_neither_its_arguments_nor_its_headers() -> None:
    """INV 45: argument values never reach a log."""
    assert repr(Envelope("t", "p", {"a": "secret"}, b"secret")) == "Envelope(task='t', codec='p')"
