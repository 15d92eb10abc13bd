"""A store of py-key-value-aio as a result storage.

Such stores keep JSON, so the bytes travel as base64; each shadow has a collection of its own.  Nothing of that library
is imported here: a store is whatever has its methods.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, cast

import attrs

from shadows.errors import Undecodable
from shadows.ports.result_storage import RefusedError

_DATA: Final = "data"
_OF_THE_VALUE: Final = "KeyValueOperationError"
"""The root of what that library raises when not the store is at fault, but what it was given."""


@attrs.frozen
class KeyValueStorage:
    """The outcomes of one shadow in a store, which stays its owner's to close."""

    store: Any
    shadow: str

    @property
    def collection(self) -> str:
        """Where in the store they lie."""
        return f"shadows-{self.shadow}"

    async def put(self, name: str, data: bytes, seconds: float) -> None:
        value = {_DATA: base64.b64encode(data).decode()}
        try:
            await self.store.put(key=name, value=value, collection=self.collection, ttl=seconds)
        except Exception as error:
            if _is_of_the_value(error):
                raise RefusedError(f"{type(error).__name__}: {error}") from error
            raise

    async def get(self, name: str) -> bytes | None:
        found = await self.store.get(key=name, collection=self.collection)
        if found is None:
            return None
        if not isinstance(found, Mapping):
            raise _strange(name)
        data = cast("Mapping[str, Any]", found).get(_DATA)
        if not isinstance(data, str) or not data:  # nothing is stored for None
            raise _strange(name)
        try:
            return base64.b64decode(data, validate=True)
        except (ValueError, binascii.Error):
            raise _strange(name) from None

    async def delete(self, name: str) -> None:
        await self.store.delete(key=name, collection=self.collection)


def _is_of_the_value(error: Exception) -> bool:
    """Whether another try is in vain.  The class is known by its name: its module has moved before."""
    return isinstance(error, TypeError) or any(kind.__name__ == _OF_THE_VALUE for kind in type(error).__mro__)


def _strange(name: str) -> Undecodable:
    return Undecodable(f"what the result storage has as {name!r} was not written by shadows")
