"""From the options of a client to the wire on which its values travel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from shadows.engine.wire import Wire

if TYPE_CHECKING:
    from shadows.core.settings import ShadowOptions
    from shadows.ports.codec import Codec

type Codecs = str | Codec | Sequence[str | Codec]

_NAMED: Mapping[str, tuple[str, str]] = {
    "cloudpickle": ("shadows.adapters.codecs.cloudpickle", "CloudpickleCodec"),
    "json": ("shadows.adapters.codecs.json", "JsonCodec"),
}


def wire_of(options: ShadowOptions) -> Wire:
    """Return the wire; only the codecs that are asked for are imported."""
    return Wire.of(*[_codec(each) for each in options.codec])


def _codec(chosen: str | Codec) -> Codec:
    if not isinstance(chosen, str):
        return chosen
    module, name = _NAMED[chosen]
    kind: Callable[[], Any] = getattr(import_module(module), name)
    made: Codec = kind()
    return made
