"""From the options of a client to the wire on which its values travel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from shadows.adapters.codecs.guarded import guarded
from shadows.adapters.codecs.signing import Signing
from shadows.adapters.key_value import KeyValueStorage
from shadows.core.readers import STORAGE
from shadows.core.travel import secrets, store
from shadows.dependencies.collection import single
from shadows.engine.wire import Wire, never
from shadows.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from pathlib import Path

    from shadows.core.settings import ShadowOptions
    from shadows.ports.clock import Clock
    from shadows.ports.codec import Codec
    from shadows.ports.result_storage import ResultStorage
    from shadows.ports.seal import Seal

type Codecs = str | Codec | Sequence[str | Codec]
type Secrets = str | bytes | Sequence[str | bytes]


class ShadowArguments(TypedDict, total=False):
    """The less usual arguments of a shadow, by name only.

    add_deadline: how long placing a call may take while the server is away; default 5 s.
    wait_replicas: how many replicas must have a change before it counts as done; default 0.
    max_payload: bytes that the arguments of a call may have; default 8 MiB.
    max_result: bytes that a result may have; default 8 MiB.
    result_deadline: for how long a result storage that is away is asked again; default 30 s.
    codec: how values travel: ``"cloudpickle"`` (the default), ``"json"``, a codec of your own, or several of them,
        of which the first one writes and all read.
    secret: what all that is written is sealed with: one, or several of which the first seals and all open; what
        is not sealed is not read.  Default: nothing is sealed.
    secret_file: where they stand instead, one in a line.
    seal: ``"sign"`` (the default), or ``"encrypt"``.
    accept_unsigned_until: until when what is not sealed is read all the same.
    horizon: how far ahead a call may be scheduled; default 10 years.
    strict_when: whether a time in the past is an error, instead of meaning now; default false.
    """

    add_deadline: timedelta | None
    wait_replicas: int | None
    max_payload: int | None
    max_result: int | None
    result_deadline: timedelta | None
    codec: Codecs | None
    secret: Secrets | None
    secret_file: str | Path | None
    seal: Literal["sign", "encrypt"] | None
    accept_unsigned_until: datetime | None
    horizon: timedelta | None
    strict_when: bool | None


_NAMED: Mapping[str, tuple[str, str]] = {
    "cloudpickle": ("shadows.adapters.codecs.cloudpickle", "CloudpickleCodec"),
    "json": ("shadows.adapters.codecs.json", "JsonCodec"),
}


def wire_of(options: ShadowOptions, clock: Clock) -> Wire:
    """Return the wire; only what is asked for is imported.

    Raises:
        ConfigurationError: the file of the secrets cannot be read, or a secret is missing.
    """
    codecs = [_codec(each) for each in options.codec]
    by_id = {each.id: each for each in codecs}
    secrets = options.secret or _read(options.secret_file)
    if not secrets:
        _refuse_what_needs_one(options)
        return Wire(codecs[0], by_id, options.name)
    seals, until = _seals(secrets, options.seal), options.accept_unsigned_until
    unsealed = until is not None and (lambda: clock.now() < until)
    by_seal = {each.id: each for each in seals}
    return Wire(codecs[0], by_id, options.name, seals[0], by_seal, unsealed or never)


def storage_of(options: ShadowOptions) -> ResultStorage | None:
    """Return where outcomes are to lie instead of in the broker, if anywhere; a path is imported.

    Raises:
        ConfigurationError: the path leads nowhere, or to something else than a store.
    """
    chosen = options.result_storage
    if isinstance(chosen, str):
        path, source = chosen, f"result_storage={chosen!r}"
        try:
            chosen = store(single(path, option="result_storage", wanted="a store of py-key-value-aio"), source)
        except ConfigurationError:
            raise
        except Exception as error:
            why = str(error) if str(error).startswith(source) else f"{source}: {type(error).__name__}: {error}"
            raise ConfigurationError(why, source="result_storage", value=path, instead=STORAGE.example) from error
    return None if chosen is None else KeyValueStorage(chosen, options.name)


def _seals(secrets: Sequence[bytes], chosen: str) -> list[Seal]:
    """Return what seals first, then what else opens: both mean that somebody who knows the secret wrote it."""
    try:
        kind: Callable[[Sequence[bytes]], Seal] = import_module("shadows.adapters.codecs.encrypting").Encrypting
    except ModuleNotFoundError:
        if chosen == "encrypt":
            raise ConfigurationError(
                "seal='encrypt' needs the package cryptography, which is not installed here: "
                "pip install 'shadow-task[encryption]'"
            ) from None
        return [Signing(secrets)]
    seals: list[Seal] = [Signing(secrets), kind(secrets)]
    return seals[::-1] if chosen == "encrypt" else seals


def _read(file: Path | None) -> tuple[bytes, ...]:
    if file is None:
        return ()
    try:
        text = file.read_text()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"secret_file={str(file)!r} cannot be read: {error}") from None
    return secrets(text, f"secret_file={str(file)!r}")


def _refuse_what_needs_one(options: ShadowOptions) -> None:
    asked = "seal='encrypt'" if options.seal == "encrypt" else ""
    asked = asked or ("accept_unsigned_until" if options.accept_unsigned_until is not None else "")
    if asked:
        raise ConfigurationError(f"{asked} says nothing without a secret; set SHADOW_SECRET or SHADOW_SECRET_FILE")


def _codec(chosen: str | Codec) -> Codec:
    if not isinstance(chosen, str):
        ours = type(chosen).__module__.startswith("shadows.")
        return chosen if ours else guarded(chosen)
    module, name = _NAMED[chosen]
    kind: Callable[[], Any] = getattr(import_module(module), name)
    made: Codec = kind()
    return made
