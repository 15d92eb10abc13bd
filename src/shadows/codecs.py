"""The codecs, for those who give one to ``Shadow(codec=...)`` instead of its name."""

from __future__ import annotations

from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.adapters.codecs.json import JsonCodec
from shadows.adapters.codecs.tags import Untyped
from shadows.ports.codec import Codec, TypedCodec

__all__ = ["CloudpickleCodec", "Codec", "JsonCodec", "TypedCodec", "Untyped"]
