from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.adapters.codecs.encrypting import Encrypting
from shadows.adapters.codecs.signing import Signing, derived
from shadows.core.envelope import Envelope, unpack
from shadows.core.settings import SHADOW, effective, shadow_options
from shadows.core.travel import moment, secrets, secrets_written
from shadows.engine.outcomes import Outcomes
from shadows.engine.wire import Wire
from shadows.errors import ConfigurationError, NotAuthentic, Undecodable
from shadows.wiring import wire_of

if TYPE_CHECKING:
    from pathlib import Path

    from shadows.ports.seal import Seal

OLD, NEW, OTHER = b"the old secret, long enough", b"the new secret, long enough", b"that of somebody else, so what"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
KINDS = [Signing, Encrypting]


@attrs.define
class SetClock:
    """Says what it is told."""

    time: datetime = NOW

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return 0.0


def wire(clock: SetClock | None = None, **options: Any) -> Wire:
    return wire_of(shadow_options({"name": "shop", **options}, {}), clock or SetClock())


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.binary(max_size=200), label=st.binary(max_size=50))
def test_what_was_sealed_is_opened_under_the_same_label(kind: type[Signing], data: bytes, label: bytes) -> None:
    """By everybody who knows the secret."""
    assert kind([OLD]).open(kind([OLD]).close(data, label), label) == data


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_secret_seals_and_all_open(kind: type[Signing]) -> None:
    """So a secret is replaced without a gap: known everywhere first, then used."""
    before, between, after = kind([OLD]), kind([NEW, OLD]), kind([NEW])
    assert between.open(before.close(b"data", b"x"), b"x") == b"data"
    assert after.open(between.close(b"data", b"x"), b"x") == b"data"
    with pytest.raises(NotAuthentic, match="not among those configured here"):
        after.open(before.close(b"data", b"x"), b"x")


@pytest.mark.parametrize("kind", KINDS)
def test_not_a_single_bit_may_be_changed(kind: type[Signing]) -> None:
    """FAULT 48: nor may it be cut short, or serve for something else."""
    seal = kind([OLD])
    sealed = seal.close(b"data", b"label")
    for index in range(len(sealed) * 8):
        forged = bytearray(sealed)
        forged[index // 8] ^= 1 << index % 8
        with pytest.raises(NotAuthentic):
            seal.open(bytes(forged), b"label")
    for size in range(len(sealed)):
        with pytest.raises(NotAuthentic):
            seal.open(sealed[:size], b"label")
    with pytest.raises(NotAuthentic):
        seal.open(sealed, b"other")


@pytest.mark.parametrize("kind", KINDS)
def test_two_secrets_may_look_alike(kind: type[Signing]) -> None:
    """What names a secret in a message is short; only the secret itself decides."""
    seal, other = kind([OLD]), kind([OTHER])
    seal._keys.insert(0, (seal._keys[0][0], other._keys[0][1]))
    assert seal.open(kind([OLD]).close(b"data", b"x"), b"x") == b"data"


def test_what_is_encrypted_shows_nothing_and_is_never_the_same_twice() -> None:
    """Not even that two messages are alike."""
    seal = Encrypting([OLD])
    one, two = seal.close(b"a secret thing", b"x"), seal.close(b"a secret thing", b"x")
    assert b"secret" not in one
    assert one[4:] != two[4:]


def test_no_secret_shows_and_each_purpose_has_a_key_of_its_own() -> None:
    """Whoever sees one of them learns nothing of another."""
    assert [repr(kind([OLD, NEW])) for kind in KINDS] == ["Signing(2 secrets)", "Encrypting(2 secrets)"]
    assert len({derived(OLD, purpose) for purpose in (b"sign", b"sign id", b"encrypt", b"encrypt id")}) == 4


def sealed(on: Wire, key: str = "k", task: str = "ship") -> Envelope:
    return unpack(on.call(task, key, (1,), {}))


@pytest.mark.parametrize("seal", ["sign", "encrypt"])
def test_a_call_is_of_one_shadow_one_task_and_one_key(seal: str) -> None:
    """FAULT 48: to move it elsewhere is to forge it; the headers, which tell of traces alone, may be added to."""
    sealing = wire(secret=OLD, seal=seal)
    envelope = sealed(sealing)
    assert sealing.arguments(attrs.evolve(envelope, headers={"traceparent": "x"}), "k") == ((1,), {})
    for on, moved, key in [
        (sealing, envelope, "other"),
        (sealing, attrs.evolve(envelope, task="refund"), "k"),
        (wire(secret=OLD, seal=seal, name="mall"), envelope, "k"),
        (wire(secret=OTHER, seal=seal), envelope, "k"),
    ]:
        with pytest.raises(NotAuthentic):
            on.arguments(moved, key)
        with pytest.raises(NotAuthentic):
            on.verify(moved, key)
    sealing.verify(envelope, "k")


@pytest.mark.parametrize("seal", ["sign", "encrypt"])
def test_an_outcome_is_of_one_key_and_one_lease(seal: str) -> None:
    """FAULT 48: what an older run of the key returned, or raised, is not the result of this one."""
    outcomes = Outcomes(wire(secret=OLD, seal=seal), 1000)
    returned, raised = outcomes.of_result("result", "k", 7), outcomes.of_error(ValueError("no"), "k", 7)
    assert outcomes.result(returned, "k", 7) == "result"
    assert isinstance(outcomes.error(raised, "k", 7), ValueError)
    for key, fence in [("k", 8), ("other", 7), ("k", None)]:
        with pytest.raises(NotAuthentic):
            outcomes.result(returned, key, fence)
        with pytest.raises(NotAuthentic):
            outcomes.error(raised, key, fence)


@pytest.mark.parametrize("seal", ["sign", "encrypt"])
def test_one_kind_of_thing_cannot_be_taken_for_another(seal: str) -> None:
    """A result is no call, whatever its key."""
    sealing = wire(secret=OLD, seal=seal)
    codec, data = sealing.write(((1,), {}), "r", "k", "ship")
    with pytest.raises(NotAuthentic):
        sealing.open(codec, data, "call", "k", "ship")


def test_labels_cannot_run_into_each_other() -> None:
    """Each part is as long as it says."""
    sealing = wire(secret=OLD)
    assert (
        len({sealing._label(parts) for parts in [("a", "bc"), ("ab", "c"), ("a", "b", "c"), ("abc",), ("1:a,",)]}) == 5
    )
    assert sealing._label(("\udcff",)) != sealing._label(("?",))


def test_both_ways_of_sealing_say_who_wrote_it() -> None:
    """So a deployment can change from one to the other."""
    signing, encrypting = wire(secret=OLD), wire(secret=OLD, seal="encrypt")
    assert (sealed(signing).codec, sealed(encrypting).codec) == ("s", "e")
    assert encrypting.arguments(sealed(signing), "k") == signing.arguments(sealed(encrypting), "k") == ((1,), {})


def test_the_codec_is_sealed_too() -> None:
    """So nobody can have pickle read what JSON wrote."""
    both = wire(secret=OLD, codec="json,cloudpickle")
    assert both.arguments(sealed(wire(secret=OLD)), "k") == both.arguments(sealed(both), "k") == ((1,), {})
    with pytest.raises(Undecodable, match="a codec 'p' that is not configured"):
        wire(secret=OLD, codec="json").arguments(sealed(wire(secret=OLD)), "k")


def test_with_a_secret_nothing_else_is_read() -> None:
    """FAULT 48: not even by a codec that is configured."""
    for codec in ("cloudpickle", "json"):
        with pytest.raises(NotAuthentic, match="it is not signed, and only what is signed is read here"):
            wire(secret=OLD, codec="json,cloudpickle").arguments(sealed(wire(codec=codec)), "k")


def test_until_a_moment_what_is_unsigned_may_be_read() -> None:
    """For the change-over; what is signed and forged is refused all the same."""
    clock = SetClock()
    changing = wire(clock, secret=OLD, accept_unsigned_until=NOW + timedelta(hours=1))
    assert changing.arguments(sealed(wire()), "k") == ((1,), {})
    changing.verify(sealed(wire()), "k")
    with pytest.raises(NotAuthentic):
        changing.arguments(sealed(wire(secret=OTHER)), "k")
    clock.time += timedelta(hours=1)
    with pytest.raises(NotAuthentic):
        changing.arguments(sealed(wire()), "k")


@pytest.mark.parametrize(("seal", "word"), [("sign", "signed"), ("encrypt", "encrypted")])
def test_who_has_no_secret_leaves_what_is_sealed_to_others(seal: str, word: str) -> None:
    """It may have been started before the secret was given to all."""
    with pytest.raises(Undecodable, match=rf"it is {word}, and .* \(SHADOW_SECRET\)") as caught:
        wire().arguments(sealed(wire(secret=OLD, seal=seal)), "k")
    assert (caught.value.temporary, type(caught.value)) == (True, Undecodable)
    wire().verify(sealed(wire(secret=OTHER, seal=seal)), "k")


@pytest.fixture
def no_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "shadows.adapters.codecs.encrypting", raising=False)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)


@pytest.mark.usefixtures("no_cryptography")
def test_without_the_extra_one_can_sign_and_not_encrypt() -> None:
    """What others encrypted is left to workers that have it."""
    with pytest.raises(ConfigurationError, match=r"pip install 'shadow-task\[encryption\]'"):
        wire(secret=OLD, seal="encrypt")
    signing = wire(secret=OLD)
    assert signing.arguments(sealed(signing), "k") == ((1,), {})
    with pytest.raises(Undecodable) as caught:
        signing.arguments(Envelope("ship", "e", {}, b"x"), "k")
    assert (caught.value.temporary, type(caught.value)) == (True, Undecodable)
    signing.verify(Envelope("ship", "e", {}, b"x"), "k")


# What may be said of secrets


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("0123456789abcdef", [b"0123456789abcdef"]),
        (" 0123456789abcdef,fedcba9876543210\n", [b"0123456789abcdef", b"fedcba9876543210"]),
        (["0123456789abcdef", OLD], [b"0123456789abcdef", OLD]),
        (OLD, [OLD]),
    ],
)
def test_secrets_are_texts_or_bytes(written: object, found: list[bytes]) -> None:
    """Bytes may hold anything; a text may hold several."""
    assert secrets(written, "secret") == tuple(found)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("too short", "SHADOW_SECRET holds a secret of 3 bytes; it needs at least 16"),
        (" , ", "SHADOW_SECRET holds no secret"),
        ([], "holds no secret"),
        (b"", "holds a secret of 0 bytes"),
    ],
)
def test_what_is_no_secret_is_refused_without_being_shown(written: object, words: str) -> None:
    """The message may end in a log."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        SHADOW["secret"].read(written, "SHADOW_SECRET")
    error = caught.value
    assert "too" not in str(error)
    assert (error.value, error.instead, error.remedy) == ("***", "", "openssl rand -base64 32")


def test_a_secret_is_no_number() -> None:
    """Nor a path, which would be taken for the secret itself."""
    with pytest.raises(TypeError, match="secret must be text or bytes, or several of them, not int"):
        secrets([5], "secret")


def test_secrets_are_never_shown() -> None:
    """Neither in options, nor where settings are listed."""
    options = shadow_options({"secret": [OLD, NEW]}, {})
    assert "old secret" not in repr(options)
    assert "secret=***,***" in repr(options)
    assert next(each.shown for each in effective(SHADOW, {"secret": OLD}, {}) if each.setting.name == "secret") == "***"
    assert secrets_written(()) == ""


def test_secrets_may_stand_in_a_file(tmp_path: Path) -> None:
    """As orchestrators give them; what is said directly wins."""
    file = tmp_path / "secret"
    file.write_bytes(NEW.translate(None, b" ,") + b"\n" + OLD.translate(None, b" ,") + b"\n")
    read = wire_of(shadow_options({}, {"SHADOW_SECRET_FILE": str(file)}), SetClock())
    assert repr(read.seal) == "Signing(2 secrets)"
    assert repr(wire(secret=OLD, secret_file=file).seal) == "Signing(1 secrets)"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: .*No such file"),
        (b"\xff\xfe", "cannot be read"),
        (b"short", "a secret of 5 bytes"),
        (b"\n", "no secret"),
    ],
)
def test_a_file_without_secrets_is_an_error(tmp_path: Path, content: bytes | None, words: str) -> None:
    """Whoever names one wants what it holds: nothing is sent unsealed for want of it."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"secret_file=.*{words}"):
        wire(secret_file=file)


@pytest.mark.parametrize("path", [5, ""])
def test_the_file_is_a_path(path: object) -> None:
    """Not its content."""
    with pytest.raises(TypeError, match="secret_file must be the path of a file"):
        shadow_options({"secret_file": path}, {})


@pytest.mark.parametrize(("option", "value"), [("seal", "encrypt"), ("accept_unsigned_until", NOW)])
def test_what_needs_a_secret_is_refused_without_one(option: str, value: Any) -> None:
    """Whoever writes it believes that messages are sealed."""
    with pytest.raises(ConfigurationError, match=f"{option}.* without a secret"):
        wire(**{option: value})


@pytest.mark.parametrize("written", ["2030-01-01T00:00:00Z", " 2030-01-01T01:00:00+01:00", NOW])
def test_a_moment_is_a_date_with_a_time_and_a_zone(written: object) -> None:
    """As in ISO 8601."""
    assert moment(written, "accept_unsigned_until") == NOW


@pytest.mark.parametrize(
    ("written", "words"),
    [("tomorrow", "is no moment"), ("2030-01-01T00:00", "no time zone"), (NOW.replace(tzinfo=None), "no time zone")],
)
def test_what_is_no_moment_is_refused(written: object, words: str) -> None:
    """With one that could be written."""
    with pytest.raises(
        ConfigurationError, match=rf"SHADOW_ACCEPT_UNSIGNED_UNTIL=.*{words}; write for example 2030-01-31"
    ):
        moment(written, "SHADOW_ACCEPT_UNSIGNED_UNTIL")
    with pytest.raises(TypeError, match="until must be a datetime, not int"):
        moment(5, "until")


def test_moments_are_shown_as_they_are_written() -> None:
    """So that they can be copied."""
    shown = {each.setting.name: each.shown for each in effective(SHADOW, {"accept_unsigned_until": NOW}, {})}
    assert moment(shown["accept_unsigned_until"], "x") == NOW


def test_a_seal_is_what_the_port_says() -> None:
    """For the type checker."""
    found: list[Seal] = [Signing([OLD]), Encrypting([OLD])]
    assert [each.id for each in found] == ["s", "e"]
