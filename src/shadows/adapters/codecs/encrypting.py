"""The seal that encrypts: AES-256-GCM, which also proves that the label and the data are those that were sealed.

::

    4 bytes       which secret encrypted
    24 bytes      a random number, from which the key of this one message is derived
    the rest      the data, encrypted, and a tag of 16 bytes

Each message has a key of its own, derived from the secret and 24 random bytes, so that no number of messages wears a
secret out; under a key of its own a message needs no nonce.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shadows.adapters.codecs.signing import derived
from shadows.errors import NotAuthentic

if TYPE_CHECKING:
    from collections.abc import Sequence

_ID: Final = 4
_HEAD: Final = _ID + 24
_NONCE: Final = bytes(12)


class Encrypting:
    """Encrypts with the first of these secrets, and decrypts with all."""

    id = "e"

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._keys = [(derived(each, b"encrypt id")[:_ID], derived(each, b"encrypt")) for each in secrets]

    def __repr__(self) -> str:
        return f"Encrypting({len(self._keys)} secrets)"

    def close(self, data: bytes, label: bytes) -> bytes:
        """See :class:`shadows.ports.seal.Seal`."""
        name, key = self._keys[0]
        salt = os.urandom(_HEAD - _ID)
        return name + salt + _cipher(key, salt).encrypt(_NONCE, data, label)

    def open(self, sealed: bytes, label: bytes) -> bytes:
        """See :class:`shadows.ports.seal.Seal`."""
        name, salt, data = sealed[:_ID], sealed[_ID:_HEAD], sealed[_HEAD:]
        keys = [key for known, key in self._keys if known == name]
        for key in keys:
            try:
                return _cipher(key, salt).decrypt(_NONCE, data, label)
            except InvalidTag:
                continue
        if keys:
            raise NotAuthentic("it cannot be decrypted: it was changed, or written for something else")
        raise NotAuthentic("it is encrypted with a secret that is not among those configured here")


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(derived(key, salt))
