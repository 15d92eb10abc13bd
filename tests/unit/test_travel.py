from __future__ import annotations

from typing import Any

import pytest

from shadows.adapters.clock import SystemClock
from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.adapters.codecs.json import JsonCodec
from shadows.core.settings import shadow_options
from shadows.core.travel import codecs, codecs_written
from shadows.errors import ConfigurationError
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
    assert wire_of(shadow_options({"codec": OWN}, {}), CLOCK).codec is OWN
    assert isinstance(wire_of(shadow_options({}, {}), CLOCK).codec, CloudpickleCodec)
