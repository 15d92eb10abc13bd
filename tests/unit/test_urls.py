from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.core.urls import KINDS, parse, redacted
from shadows.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "kind", "path"),
    [
        ("redis://localhost:6379/0", "redis", "/0"),
        ("redis://", "redis", ""),
        ("rediss://user:p%40ss@host/15?ssl_cert_reqs=required", "redis", "/15"),
        ("redis://[::1]:6379/", "redis", "/"),
        (" REDIS://host ", "redis", ""),
        ("unix:///run/redis.sock?db=2", "redis", "/run/redis.sock"),
        ("redis+sentinel://me:pw@s1:1,s2/shop-db/2", "sentinel", "/shop-db/2"),
        ("rediss+sentinel://[::1]:26380/shop-db", "sentinel", "/shop-db"),
        ("redis+cluster://me:pw@h1:7000,h2", "cluster", ""),
        ("valkeys+cluster://h/0", "cluster", "/0"),
        ("memory://", "memory", ""),
        ("memory://tests/a b", "memory", "tests/a b"),
    ],
)
def test_a_url_that_can_be_served_is_told_by_its_kind(url: str, kind: str, path: str) -> None:
    """What follows from it is decided by whoever opens the backend."""
    found = parse(url)
    assert (found.kind, found.path, found.address) == (kind, path, url.strip())
    assert found.scheme in KINDS


def test_a_url_may_name_several_hosts() -> None:
    """SPEC, URLs: each with a port of its own, or the one that such servers have."""
    found = parse("rediss+sentinel://me:pw@s1:1,s2,[::1]:3/shop-db/2")
    assert found.hosts == (("s1", 1), ("s2", 26379), ("::1", 3))
    assert (found.service, found.encrypted) == ("shop-db", True)
    assert parse("redis://").hosts == (("localhost", 6379),)
    assert not parse("unix:///s").hosts
    assert not parse("redis://h").encrypted


def test_our_own_parameters_do_not_reach_the_client_library() -> None:
    """``?client=`` chooses the library; the others are its business."""
    found = parse("redis://h/0?client=redis-py&socket_timeout=3&health=")
    assert found.client == "redis-py"
    assert found.address == "redis://h/0?socket_timeout=3&health="
    assert parse("redis://h/0?client=redis-py").address == "redis://h/0"
    assert parse("memory://x").client == ""


@pytest.mark.parametrize(
    ("url", "client", "insists"),
    [
        ("redis://h", "redis-py", False),
        ("valkey://h", "glide", False),
        ("valkeys://h", "glide", False),
        ("valkey://h?client=redis-py", "redis-py", True),
        ("unix:///run/s?client=glide", "glide", True),
    ],
)
def test_a_scheme_has_a_client_library_that_it_prefers(url: str, client: str, insists: bool) -> None:  # noqa: FBT001
    """SPEC, URLs: and a parameter that insists on one."""
    found = parse(url)
    assert (found.client, found.insists) == (client, insists)


def test_an_embedded_server_is_named_by_its_folder() -> None:
    """SPEC, URLs: and when its disk has a change, if that matters."""
    found = parse("embedded:///var/lib/my%20shop?fsync=always")
    assert (found.kind, found.path, found.fsync, found.client) == (
        "embedded",
        "/var/lib/my shop",
        "always",
        "redis-py",
    )
    assert parse("embedded:///x").fsync == "everysec"
    assert parse("embedded:///x?client=redis-py").path == "/x"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("embedded://", "names no folder; write for example embedded:///var/lib/shop"),
        ("embedded:///", "names no folder"),
        ("embedded://data", "its folder is no whole path"),
        ("embedded://./data", "its folder is no whole path"),
        ("embedded://~/data", "its folder is no whole path"),
        ("embedded:///~/data", "its folder is no whole path"),
        ("embedded:///x%00y", "no NUL in the path"),
        ("embedded:///x?db=1&a=2", "does not know: a, db; there is only fsync"),
        ("embedded:///x?fsync=never", "asks for fsync='never'; there are everysec and always"),
        ("embedded:///x?client=glide", "embedded:// is served by redis-py"),
    ],
)
def test_a_folder_that_means_something_else_to_somebody_else_is_refused(url: str, says: str) -> None:
    """What a path is relative to, and whose home ~ is, differs from process to process."""
    with pytest.raises(ConfigurationError, match=re.escape(says)) as caught:
        parse(url)
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "has no scheme"),
        ("localhost:6379", "has no scheme; write for example redis://localhost"),
        ("reddis://localhost", "did you mean redis://"),
        ("http://localhost", "does not exist; write for example"),
        ("redis://localhost:port/0", "its port is no number from 1 to 65535"),
        ("redis://localhost:99999", "its port is no number"),
        ("redis://localhost:0", "its port is no number"),
        ("redis://[::1/0", "its host makes no sense"),
        ("redis://localhost/first", "its database is no number"),
        ("redis://h1:1,h2:2/0", r"several hosts; that takes redis\+cluster:// or redis\+sentinel://"),
        ("redis://local host", "white space or control characters"),
        ("redis://local\nhost", "white space or control characters"),
        ("redis://h/0#1", "percent-encode '#'"),
        ("redis://:pa/ss@h/0", "percent-encode '#', '/'"),
        ("redis+sentinel://s1:1,s2:2", r"names no service of the Sentinels; write for example redis\+sentinel://host1"),
        ("redis+sentinel://s1/db/first", "its database is no number"),
        ("redis+sentinel://s1,s2:0/db", "its port is no number"),
        ("redis+cluster://h1,h2/1", "a cluster has only the one with the number 0"),
        ("unix://", "names no socket"),
        ("unix:///", "names no socket"),
        ("redis+sentinel://h/s?client=glide", "the client glide, which knows no Sentinels"),
        ("redis://h/0?client=jedis", "asks for the client 'jedis'; there are redis-py and glide"),
    ],
)
def test_nonsense_is_refused_with_the_remedy_in_one_line(url: str, reason: str) -> None:
    """The message names the option, the URL and what to write instead."""
    with pytest.raises(ConfigurationError, match=reason) as caught:
        parse(url, argument="SHADOW_URL")
    assert str(caught.value).startswith("SHADOW_URL=")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "instead"),
    [
        ("redis.prod:6379", "redis://redis.prod:6379"),
        ("[::1]:6379/3", "redis://[::1]:6379/3"),
        ("user:pass@redis.prod", ""),
        ("reddis://me:secret@h/0", "redis://me:***@h/0"),
        ("mysql://h/0", ""),
        ("redis://a:6379,b:6380/0", "redis://a:6379/0"),
        ("redis://me:secret@a,b/0", "redis://me:***@a/0"),
        ("redis://me:secret@h:99999/0", "redis://me:***@h:6379/0"),
        ("redis://h:6379/orders?db=1", "redis://h:6379/0?db=1"),
    ],
)
def test_a_refused_url_comes_with_one_that_may_have_been_meant(url: str, instead: str) -> None:
    """Without its password, for it is printed; empty if there is nothing to guess from."""
    with pytest.raises(ConfigurationError) as refused:
        parse(url)
    assert refused.value.instead == instead


@pytest.mark.parametrize(
    ("url", "remedy"), [("redis://:a#b@h", "%23 for #"), ("redis://h/0 ", ""), ("redis://a b", "%20")]
)
def test_what_has_to_be_encoded_is_told(url: str, remedy: str) -> None:
    """Without an example, which could not show the password."""
    if not remedy:
        assert parse(url).redacted == url.strip()
        return
    with pytest.raises(ConfigurationError) as refused:
        parse(url)
    assert remedy in refused.value.remedy


def test_a_url_is_text() -> None:
    """An object of another library does not pass unnoticed."""
    wrong: Any = b"redis://h"
    with pytest.raises(TypeError, match="url must be a string, such as redis://localhost:6379/0, not bytes"):
        parse(wrong)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://user:secret@h:1/0", "redis://user:***@h:1/0"),
        ("redis://:secret@h", "redis://:***@h"),
        ("redis://secret@h", "redis://***@h"),
        ("user:secret@h", "user:***@h"),
        ("redis://u:sec@ret@h", "redis://u:***@h"),
        ("redis://u:sec/r?e#t@h", "redis://u:***@h"),
        (
            "redis+sentinel://u:secret@s1,s2/svc/0?sentinel_username=x&sentinel_password=secret&db=1",
            "redis+sentinel://u:***@s1,s2/svc/0?sentinel_username=x&sentinel_password=***&db=1",
        ),
        ("redis://h/0?PASSWORD=sec&ret&db=1", "redis://h/0?PASSWORD=***&db=1"),
        ("redis://h/0?auth_token=secret#secret", "redis://h/0?auth_token=***"),
        ("redis://u:x@h/0?password=sec@ret", "redis://u:***@h/0?password=***"),
        ("redis://u:secret?my_pass=secret@h", "redis://u:***?my_pass=***"),
        ("unix:///s?db=1&password=secret", "unix:///s?db=1&password=***"),
    ],
)
def test_a_password_is_shown_as_three_stars_wherever_it_stands(url: str, shown: str) -> None:
    """FAULT 54: errors and logs show the redacted URL; user, host and harmless parameters stay."""
    assert redacted(url) == shown


ODD = st.text(st.characters(codec="ascii"), max_size=8)


@given(
    st.sampled_from(["redis", "rediss", "unix", "memory", "nonsense"]),
    st.tuples(ODD, ODD),
    st.sampled_from(
        ["{s}://user:{p}@h:6379/0", "{s}://:{p}@h", "{s}://u:x@h/0?password={p}", "{s}://h?db=1&my_secret={p}"]
    ),
)
def test_no_error_and_no_representation_shows_a_password(scheme: str, around: tuple[str, str], form: str) -> None:
    """FAULT 54: whatever its other characters do to the URL, percent-encoded or not."""
    password = around[0] + "S3CRET" + around[1]
    for written in (password, quote(password, safe="")):
        try:
            found = parse(form.format(s=scheme, p=written))
        except ConfigurationError as error:
            text = f"{error} {error.instead} {error.remedy} {error.value}"
        else:
            text = f"{found!r} {found}"
        assert "S3CRET" not in text or _looks_like_a_parameter_of_its_own(written, form)


def _looks_like_a_parameter_of_its_own(password: str, form: str) -> bool:
    """``?password=a&bS3CRET=c`` has a second parameter, whatever its author meant."""
    return "?" in form and re.search(r"[&;].*=", password, re.DOTALL) is not None
