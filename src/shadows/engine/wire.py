"""Wire: how values travel, and what of that which arrives is read.  Nothing else encodes or decodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs

from shadows.core.envelope import NO_HEADERS, Envelope, pack
from shadows.dependencies.kinds import kinds
from shadows.errors import NotAuthentic, SerializationError, Undecodable
from shadows.ports.codec import TypedCodec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shadows.ports.codec import Codec
    from shadows.ports.seal import Seal

CALL = "call"
SEALS = {"s": "signed", "e": "encrypted"}
"""The ids of what seals, and a word for each; no codec has such an id."""


def never() -> bool:
    """Not even for now."""
    return False


@attrs.frozen
class Wire:
    """Writes with one codec, and reads what one of the configured ones wrote; a message cannot choose another.

    Where there is a secret, all that is written is sealed under a label that says of which shadow it is, what it is and
    whose, and nothing is decoded that was not sealed under the same.
    """

    codec: Codec
    codecs: Mapping[str, Codec]
    """by their ids"""
    shadow: str = ""
    """its name, which is part of each label"""
    seal: Seal | None = None
    """what seals"""
    seals: Mapping[str, Seal] = attrs.field(factory=dict[str, "Seal"])
    """what opens, by their ids"""
    unsealed: Callable[[], bool] = never
    """whether what is not sealed is read all the same, for now"""
    _typed: Mapping[str, TypedCodec] = attrs.field(init=False, repr=False)
    """those that have to be told the kinds of values"""

    def __attrs_post_init__(self) -> None:
        typed = {name: each for name, each in self.codecs.items() if isinstance(each, TypedCodec)}
        object.__setattr__(self, "_typed", typed)

    @classmethod
    def of(cls, *codecs: Codec) -> Wire:
        """Return the wire of these codecs, of which the first one writes."""
        return cls(codecs[0], {each.id: each for each in codecs})

    def call(
        self,
        task: str,
        key: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        function: Callable[..., Any] | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> bytes:
        """Return the payload of a call.  Where the function is known, its worker can rebuild the arguments.

        Raises:
            SerializationError: an argument cannot travel; the text says where it lies.
        """
        codec, data = self.write((args, kwargs), CALL, key, task)
        payload = pack(Envelope(task, codec, headers, data))
        if function is not None and self._typed and self.codec.id in self._typed:
            self._try(Envelope(task, codec, headers, data), key, function)
        return payload

    def arguments(
        self, envelope: Envelope, key: str, function: Callable[..., Any] | None = None
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a call, as the function wants them where that is known.

        Raises:
            Undecodable: they cannot be read here.
        """
        codec, data = self.codecs.get(envelope.codec), envelope.arguments
        if codec is None or self.seals:  # which is asked of each call, and rarely so
            codec, data = self.open(envelope.codec, data, CALL, key, envelope.task)
        decoded = codec.decode(data)
        match decoded:
            case [tuple(), dict()]:
                args, kwargs = cast("tuple[tuple[Any, ...], dict[str, Any]]", decoded)
            case _:
                raise Undecodable("the arguments are no pair of positional and keyword ones")
        if self._typed and function is not None and codec.id in self._typed:
            return kinds(function).fit(args, kwargs, self._typed[codec.id].fit)
        return args, kwargs

    def verify(self, envelope: Envelope, key: str) -> None:
        """Decode nothing; raise NotAuthentic if it is not what was sealed as the call of this key."""
        if self.seals:
            self._unsealed(envelope.codec, envelope.arguments, (CALL, key, envelope.task))

    def fitted(self, codec: Codec, value: Any, function: Callable[..., Any] | None) -> Any:
        """Return a result as the function's annotation says, where it says anything.

        Raises:
            Undecodable: the result is something else.
        """
        if function is None or codec.id not in self._typed:
            return value
        kind = kinds(function).result
        return value if kind is Any else self._typed[codec.id].fit(value, kind)

    def refuse_classes(self, value: Any) -> None:
        """Refuse what only somebody who knows its class could rebuild: everybody is to read this value.

        Raises:
            SerializationError: it holds an instance of a class, and the codec would have to be told which.
        """
        typed = self._typed.get(self.codec.id)
        if typed is not None:
            try:
                typed.check(typed.decode(typed.encode(value)), Any)
            except Undecodable as error:
                raise SerializationError(str(error)) from error

    def write(self, value: Any, *about: str) -> tuple[str, bytes]:
        """Return the id of what wrote the value, and its bytes; ``about`` says what it is, and whose.

        Raises:
            SerializationError: a part of it cannot travel.
        """
        data = self.codec.encode(value)
        if self.seal is None:
            return self.codec.id, data
        return self.seal.id, self.seal.close(self.codec.id.encode() + data, self._label(about))

    def open(self, codec: str, data: bytes, *about: str) -> tuple[Codec, bytes]:
        """Return the codec that reads these bytes, and what it is to read; nothing is decoded yet.

        Raises:
            NotAuthentic: it was not sealed, or under another label.
            Undecodable: the codec, or what sealed it, is not configured here.
        """
        if self.seals:
            codec, data = self._unsealed(codec, data, about)
        found = self.codecs.get(codec)
        if found is None:
            raise Undecodable(_unknown(codec), temporary=True)
        return found, data

    def _unsealed(self, codec: str, data: bytes, about: tuple[str, ...]) -> tuple[str, bytes]:
        seal = self.seals.get(codec)
        if seal is not None:
            data = seal.open(data, self._label(about))
            return data[:1].decode("latin-1"), data[1:]
        if codec not in SEALS and not self.unsealed():
            raise NotAuthentic("it is not signed, and only what is signed is read here")
        return codec, data

    def _label(self, about: tuple[str, ...]) -> bytes:
        """Return what is sealed besides the data; of each kind of thing there are as many parts, so that none can be
        taken for another.
        """
        parts = [each.encode("utf-8", "surrogatepass") for each in ("shadows", "1", self.shadow, *about)]
        return b"".join(b"%d:%b," % (len(each), each) for each in parts)

    def _try(self, envelope: Envelope, key: str, function: Callable[..., Any]) -> None:
        """Do what the worker will do, so that the producer hears what that would meet."""
        try:
            args, kwargs = self.arguments(envelope, key)
            kinds(function).fit(args, kwargs, self._typed[self.codec.id].check)
        except Undecodable as error:
            raise SerializationError(str(error)) from error


def _unknown(codec: str) -> str:
    if codec in SEALS:
        return f"it is {SEALS[codec]}, and what opens that is not configured here (SHADOW_SECRET)"
    return f"encoded by a codec {codec!r} that is not configured here"
