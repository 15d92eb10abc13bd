from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.adapters.redis.keys import Keys, clustered, decode, encode, standalone

RESERVED = ["stream", "queue", "runs", "results", "workers", "worker-tasks", "strikes", "concurrency", "-"]
PARTS = st.sampled_from([*RESERVED, "!", "!bell", ":", "%", "%25", "%2", "%73", "x", "\0", "\n", "\x9b", "é", "😀"])
KEYS = st.text(min_size=1) | st.lists(PARTS, min_size=1, max_size=5).map("".join)
"""Any text that UTF-8 can carry, and often one that looks like ours."""
NAMES = standalone("shop")
OURS = {NAMES.stream, NAMES.nowhere, NAMES.bell, NAMES.dead, NAMES.strikes, "shop:queue", "shop:workers"}


@given(KEYS)
def test_a_key_comes_back_as_it_was(key: str) -> None:
    """INV 7: whatever it holds."""
    assert decode(encode(key)) == key


@given(KEYS, KEYS)
def test_two_keys_never_have_one_name(one: str, other: str) -> None:
    """INV 7: not even if one is written like the other's encoding."""
    assert (encode(one) == encode(other)) == (one == other)
    assert encode(encode(one)) != encode(one) or "%" not in encode(one)


@given(KEYS)
def test_no_key_meets_one_of_ours(key: str) -> None:
    """INV 7: neither a fixed name, nor a family such as ``runs:``, nor what a later version puts under ``!``."""
    name = encode(key)
    assert name.partition(":")[0] not in RESERVED
    assert not name.startswith("!")
    assert NAMES.base + name not in OURS


@given(KEYS)
def test_a_name_holds_no_control_character(key: str) -> None:
    """FAULT 9: it may be printed by any tool; nothing in it moves the cursor or ends a line of a protocol."""
    assert "Cc" not in {unicodedata.category(character) for character in encode(key)}


@given(st.text(min_size=1, max_size=512).filter(lambda key: len(key.encode()) <= 512))
def test_a_name_is_at_most_three_times_as_long_as_its_key(key: str) -> None:
    """The scripts take a longer one for a stranger's."""
    assert len(encode(key).encode()) <= 3 * len(key.encode())


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("welcome-42", "welcome-42"),
        ("a:b:c", "a:b:c"),
        ("{x}*?[a]", "{x}*?[a]"),
        ("日本語 😀", "日本語 😀"),
        ("100%", "100%25"),
        ("%73tream", "%2573tream"),
        ("stream", "%73tream"),
        ("runs:x", "%72uns:x"),
        ("runs%3Ax", "runs%253Ax"),
        ("x:runs", "x:runs"),
        ("streams", "streams"),
        ("-", "%2D"),
        ("-1", "-1"),
        ("!bell", "%21bell"),
        ("a!", "a!"),
        ("a\r\nb", "a%0D%0Ab"),
        ("\0", "%00"),
        ("\x7f", "%7F"),
        ("\x9b", "%C2%9B"),
        ("\u2028", "\u2028"),
        (":x", ":x"),
    ],
)
def test_only_what_must_be_is_encoded(key: str, name: str) -> None:
    """SEMANTICS, key names: ``%``, control characters and a reserved first segment; all else is verbatim."""
    assert encode(key) == name


def test_what_nobody_can_have_encoded_is_no_key() -> None:
    """The scripts sort out what strangers wrote; what gets past them is an error, never another key."""
    with pytest.raises(UnicodeDecodeError):
        decode("%FF")


def test_the_names_of_a_shadow_s_keys_are_the_documented_ones() -> None:
    """SPEC, keys: all lie under the shadow's prefix, so that one ACL pattern covers them."""
    assert standalone("shop") == Keys("shop:")
    assert clustered("shop") == Keys("{shop}:")
    assert [NAMES.stream, NAMES.strikes, NAMES.nowhere] == ["shop:stream", "shop:strikes", "shop:-"]
    assert [NAMES.bell, NAMES.dead] == ["shop:!bell", "shop:!dead"]
    assert NAMES.inbox("w@1:5") == "shop:!inbox:w@1:5"
    assert NAMES.progress(encode("runs:x")) == "shop:!progress:%72uns:x"
    assert NAMES.events("k") == "shop:!events:k"


def test_no_shadow_reaches_into_another() -> None:
    """FAULT 13: a name cannot hold a colon, so that no base is the beginning of another one."""
    assert not standalone("ab").base.startswith(standalone("a").base)
