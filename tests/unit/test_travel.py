from __future__ import annotations

from typing import Any

import pytest

from shadows.adapters.clock import SystemClock
from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.adapters.codecs.guarded import Guarded, guarded
from shadows.adapters.codecs.json import JsonCodec
from shadows.core.settings import shadow_options
from shadows.core.travel import codecs, codecs_written
from shadows.errors import ConfigurationError, SerializationError, Undecodable
from shadows.ports.codec import TypedCodec
from shadows.wiring import wire_of


class Own:
    """A codec of the user's."""

    id = "o"

    def encode(self, value: Any) -> bytes:
        return repr(value).encode()

    def decode(self, data: bytes) -> Any:
        return data


class Greedy(Own):
    id = "s"


class Long(Own):
    id = "own"


class Nameless(Own):
    id = None  # type: ignore[assignment]


OWN = Own()
CLOCK = SystemClock()


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("json", ("json",)),
        (" JSON , cloudpickle,", ("json", "cloudpickle")),
        (["json", "cloudpickle"], ("json", "cloudpickle")),
        (OWN, (OWN,)),
        ((OWN, "json"), (OWN, "json")),
    ],
)
def test_codecs_are_named_or_given(written: object, found: object) -> None:
    """By an argument or the environment; the first one writes."""
    assert codecs(written, "codec") == found


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("xml", "SHADOW_CODEC='xml' is no codec; use cloudpickle, json"),
        (",", "SHADOW_CODEC names no codec"),
        ([], "names no codec"),
        ("json,json", "two codecs of one id"),
        ([OWN, Own()], "two codecs of one id"),
        (Greedy(), "the id of Greedy is 's'; it must be one ASCII character, and not s or e"),
        (Long(), "the id of Long is 'own'"),
        (Nameless(), "the id of Nameless is None"),
    ],
)
def test_what_is_no_codec_is_refused(written: object, words: str) -> None:
    """With where it stands, and what would do."""
    with pytest.raises(ConfigurationError, match=words):
        codecs(written, "SHADOW_CODEC")


@pytest.mark.parametrize("written", [5, Own, object()])
def test_a_codec_is_a_name_or_an_instance(written: object) -> None:
    """A class is easily passed by mistake."""
    with pytest.raises(TypeError, match="codec takes a codec's name or a codec"):
        codecs(written, "codec")


def test_codecs_can_be_shown() -> None:
    """As they would be written; one without a name as its class."""
    assert codecs_written(("json", OWN)) == "json,Own"


def test_the_first_codec_writes_and_all_read() -> None:
    """The environment may say so for a whole deployment."""
    wire = wire_of(shadow_options({}, {"SHADOW_CODEC": "json,cloudpickle"}), CLOCK)
    assert isinstance(wire.codec, JsonCodec)
    assert [type(each) for each in wire.codecs.values()] == [JsonCodec, CloudpickleCodec]
    own: object = wire_of(shadow_options({"codec": OWN}, {}), CLOCK).codec
    assert own == Guarded(OWN)
    assert isinstance(wire_of(shadow_options({}, {}), CLOCK).codec, CloudpickleCodec)


class Clumsy(Own):
    """Raises what it likes."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def encode(self, value: Any) -> bytes:
        raise self.error

    def decode(self, data: bytes) -> Any:
        raise self.error

    def fit(self, value: Any, kind: Any) -> Any:
        raise self.error

    def check(self, value: Any, kind: Any) -> None:
        raise self.error


class Textual(Own):
    def encode(self, value: Any) -> Any:
        return str(value)


def test_whatever_a_codec_of_the_users_raises_is_the_failure_of_one_call() -> None:
    """INV 15: the worker and every other call go on."""
    clumsy = wire_of(shadow_options({"codec": Clumsy(ZeroDivisionError("oh"))}, {}), CLOCK).codec
    assert isinstance(clumsy, TypedCodec)
    with pytest.raises(SerializationError, match="cannot be encoded: ZeroDivisionError: oh"):
        clumsy.encode(1)
    for read in (lambda: clumsy.decode(b""), lambda: clumsy.fit(1, int), lambda: clumsy.check(1, int)):
        with pytest.raises(Undecodable, match="ZeroDivisionError: oh"):
            read()
    with pytest.raises(SerializationError, match="the codec 'o' made a str of a value; it must be bytes"):
        guarded(Textual()).encode(1)


def test_a_codec_of_the_users_may_say_itself_what_is_wrong() -> None:
    """In its own words."""
    clumsy = guarded(Clumsy(Undecodable("in my words", temporary=True)))
    assert isinstance(clumsy, TypedCodec)
    for act in (
        lambda: clumsy.encode(1),
        lambda: clumsy.decode(b""),
        lambda: clumsy.fit(1, 1),
        lambda: clumsy.check(1, 1),
    ):
        with pytest.raises(Undecodable, match="in my words") as caught:
            act()
        assert caught.value.temporary


def test_a_codec_of_the_users_reads_what_it_wrote() -> None:
    """The guard adds nothing else; one that needs no telling is not told."""
    own = guarded(OWN)
    assert (own.id, own.decode(own.encode(5)), isinstance(own, TypedCodec)) == ("o", b"5", False)


class Agreeable(Own):
    def fit(self, value: Any, kind: Any) -> Any:
        return kind(value)

    def check(self, value: Any, kind: Any) -> None: ...


def test_a_codec_of_the_users_may_be_told_the_kinds() -> None:
    """As the one for JSON is."""
    typed = guarded(Agreeable())
    assert isinstance(typed, TypedCodec)
    typed.check(b"5", int)
    assert typed.fit(b"5", int) == 5
