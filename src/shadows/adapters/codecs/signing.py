"""The seal that signs: HMAC-SHA256 over the label and the data, which stays readable.

::

    4 bytes       which secret signed
    32 bytes      the signature
    the rest      the data
"""

from __future__ import annotations

import hmac
from typing import Final

from shadows.errors import NotAuthentic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_ID: Final = 4
_HEAD: Final = _ID + 32


def derived(secret: bytes, purpose: bytes) -> bytes:
    """Return a key for one purpose: what is made with it tells nothing of those for others."""
    return hmac.digest(secret, b"shadows 1 " + purpose, "sha256")


class Signing:
    """Signs with the first of these secrets, and verifies with all."""

    id = "s"

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._keys = [(derived(each, b"sign id")[:_ID], derived(each, b"sign")) for each in secrets]

    def __repr__(self) -> str:
        return f"Signing({len(self._keys)} secrets)"

    def close(self, data: bytes, label: bytes) -> bytes:
        """See :class:`shadows.ports.seal.Seal`."""
        name, key = self._keys[0]
        return name + hmac.digest(key, label + data, "sha256") + data

    def open(self, sealed: bytes, label: bytes) -> bytes:
        """See :class:`shadows.ports.seal.Seal`."""
        name, signature, data = sealed[:_ID], sealed[_ID:_HEAD], sealed[_HEAD:]
        keys = [key for known, key in self._keys if known == name]
        for key in keys:
            if hmac.compare_digest(hmac.digest(key, label + data, "sha256"), signature):
                return data
        if keys:
            raise NotAuthentic("its signature does not fit: it was changed, or written for something else")
        raise NotAuthentic("it is signed with a secret that is not among those configured here")
