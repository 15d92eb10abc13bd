from __future__ import annotations

import asyncio
import ssl

import pytest
from redis import exceptions as foreign

from shadows.adapters.redis.driver import Elsewhere, NoScript, first_error
from shadows.adapters.redis.replies import translated
from shadows.errors import (
    BrokenKey,
    BrokerError,
    BrokerFull,
    BrokerUnavailable,
    NotAllowed,
    UnsupportedServer,
)

R = foreign.ResponseError
IN_A_SCRIPT = "ERR Error running script (call to f_1): @user_script:5: {} (command)"

TABLE: list[tuple[BaseException, type[Exception]]] = [
    # FAULT 54, FAULT 55: the way to the server is broken
    (ConnectionRefusedError(111, "Connection refused"), BrokerUnavailable),
    (ConnectionResetError(), BrokerUnavailable),
    (BrokenPipeError(), BrokerUnavailable),
    (OSError(-2, "Name or service not known"), BrokerUnavailable),
    (ssl.SSLError(1, "wrong version number"), BrokerUnavailable),
    (TimeoutError(), BrokerUnavailable),
    (EOFError(), BrokerUnavailable),
    (asyncio.IncompleteReadError(b"", 3), BrokerUnavailable),
    (foreign.ConnectionError("Connection closed by server."), BrokerUnavailable),
    (foreign.TimeoutError("Timeout reading from socket"), BrokerUnavailable),
    # FAULT 61, FAULT 62, FAULT 67, FAULT 69, FAULT 70: not now
    (foreign.BusyLoadingError("Redis is loading the dataset in memory"), BrokerUnavailable),
    (R("LOADING Redis is loading the dataset in memory"), BrokerUnavailable),
    (foreign.ReadOnlyError("You can't write against a read only replica."), Elsewhere),
    (R("READONLY You can't write against a read only replica."), Elsewhere),
    (R(IN_A_SCRIPT.format("-READONLY You can't write against a read only replica.")), Elsewhere),
    (foreign.MasterDownError("Link with MASTER is down"), Elsewhere),
    (R("MASTERDOWN Link with MASTER is down"), Elsewhere),
    (foreign.ClusterDownError("The cluster is down"), Elsewhere),
    (R("CLUSTERDOWN Hash slot not served"), Elsewhere),
    (foreign.TryAgainError("Multiple keys request during rehashing of slot"), BrokerUnavailable),
    (R("TRYAGAIN Multiple keys request during rehashing of slot"), BrokerUnavailable),
    (foreign.MovedError("3999 127.0.0.1:6381"), Elsewhere),
    (R("MOVED 3999 127.0.0.1:6381"), Elsewhere),
    (R("ERR Script attempted to access a non local key in a cluster node"), Elsewhere),
    (foreign.AskError("3999 127.0.0.1:6381"), BrokerUnavailable),
    (R("ASK 3999 127.0.0.1:6381"), BrokerUnavailable),
    (R("NOREPLICAS Not enough good replicas to write."), BrokerUnavailable),
    (R("BUSY Redis is busy running a script."), BrokerUnavailable),
    (R("UNBLOCKED force unblock from blocking operation"), Elsewhere),
    (R("UNKILLABLE The busy script was sent by a master instance"), BrokerUnavailable),
    (foreign.ConnectionError("max number of clients reached"), BrokerUnavailable),
    (R("max number of clients reached"), BrokerUnavailable),
    # FAULT 64, FAULT 66: full
    (foreign.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), BrokerFull),
    (R("OOM command not allowed when used memory > 'maxmemory'."), BrokerFull),
    (R(IN_A_SCRIPT.format("-OOM command not allowed when used memory > 'maxmemory'.")), BrokerFull),
    (R("MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk."), BrokerFull),
    (R(IN_A_SCRIPT.format("-MISCONF Errors writing to the AOF file")), BrokerFull),
    # FAULT 51
    (R("WRONGTYPE Operation against a key holding the wrong kind of value"), BrokenKey),
    (R(IN_A_SCRIPT.format("WRONGTYPE Operation against a key holding the wrong kind of value")), BrokenKey),
    # FAULT 68: rights
    (foreign.AuthenticationError("invalid username-password pair or user is disabled."), NotAllowed),
    (foreign.AuthenticationError("Authentication required."), NotAllowed),
    (foreign.AuthorizationError("no"), NotAllowed),
    (foreign.NoPermissionError("this user has no permissions to run the 'evalsha' command"), NotAllowed),
    (R("NOAUTH Authentication required."), NotAllowed),
    (R("WRONGPASS invalid username-password pair or user is disabled."), NotAllowed),
    (R("NOPERM this user has no permissions to access one of the keys used as arguments"), NotAllowed),
    (R("ERR AUTH <password> called without any password configured for the default user."), NotAllowed),
    (R("ERR invalid password"), NotAllowed),
    (R("Protocol error: unauthenticated multibulk length"), NotAllowed),
    (R("The user executing the script can't run this command or subcommand"), NotAllowed),
    # FAULT 60: no Redis
    (foreign.InvalidResponse("Protocol error, got 'H' as reply type byte"), UnsupportedServer),
    # FAULT 70: no server for this URL
    (foreign.ClusterCrossSlotError("Keys in request don't hash to the same slot"), UnsupportedServer),
    (R("CROSSSLOT Keys in request don't hash to the same slot"), UnsupportedServer),
    # FAULT 63
    (foreign.NoScriptError("No matching script. Please use EVAL."), NoScript),
    # whatever else a server answers is for people to read
    (R("ERR unknown command 'XAUTOCLAIM'"), BrokerError),
    (R("ERR syntax error"), BrokerError),
]


@pytest.mark.parametrize(("theirs", "ours"), TABLE, ids=lambda value: repr(value)[:70] if value else "")
def test_each_word_of_a_server_has_one_meaning(theirs: BaseException, ours: type[Exception]) -> None:
    """INV 33: "try again", "full", "not allowed" and "too old" are told apart, once, here."""
    found = translated(theirs, "redis://h/0")
    assert type(found) is ours


@pytest.mark.parametrize("theirs", [one for one, ours in TABLE if issubclass(ours, BrokerUnavailable)], ids=repr)
def test_who_is_refused_knows_whether_anything_was_done(theirs: BaseException) -> None:
    """INV 33: most refusals come before anything is done; a connection that breaks leaves a doubt."""
    found = translated(theirs, "redis://h/0")
    assert isinstance(found, BrokerUnavailable)
    broken = isinstance(theirs, OSError | EOFError | foreign.ConnectionError | foreign.TimeoutError)
    halfway = any(word in str(theirs) for word in ("non local key", "UNBLOCKED", "WRONGTYPE"))
    assert found.sent is ((broken and not isinstance(theirs, foreign.BusyLoadingError)) or halfway)


def test_what_is_wrapped_is_what_it_is() -> None:
    """FAULT 68: redis-py wraps what a server says when a connection through a unix socket is opened."""
    wrapped = foreign.ConnectionError("auth:AuthenticationError")
    wrapped.__cause__ = foreign.AuthenticationError("invalid username-password pair or user is disabled.")
    assert type(translated(wrapped, "unix:///s")) is NotAllowed
    wrapped.__cause__ = OSError(111, "Connection refused")
    assert type(translated(wrapped, "unix:///s")) is BrokerUnavailable


def test_a_server_that_knows_who_serves_our_keys_is_believed() -> None:
    """FAULT 70: of what it was asked it has carried out nothing."""
    found = translated(foreign.MovedError("3999 10.0.0.7:6381"), "redis+cluster://h")
    assert isinstance(found, Elsewhere)
    assert found.node == ("10.0.0.7", 6381)
    assert str(found) == "redis+cluster://h: it is at 10.0.0.7:6381"


@pytest.mark.parametrize(
    "bug",
    [
        KeyError("x"),
        ValueError("there is no ROOM left"),
        RuntimeError("WRONGTYPE"),
        AssertionError("MISCONF OOM NOAUTH READONLY"),
        asyncio.CancelledError("OOM "),
        foreign.DataError("Invalid input of type: 'NoneType'."),
        foreign.RedisError("never heard of"),
        NoScript("already ours"),
    ],
    ids=repr,
)
def test_what_does_not_come_from_a_server_stays_what_it_is(bug: BaseException) -> None:
    """INV 33: a bug is raised, whatever its text says; so is a cancellation, which may carry any text."""
    assert translated(bug, "redis://h/0") is None


def test_a_message_names_the_place_and_keeps_the_server_s_words() -> None:
    """FAULT 54: one line that an operator can act upon."""
    assert str(translated(foreign.ConnectionError("reset"), "redis://h/0")) == "redis://h/0: reset"
    assert str(translated(R("OOM no"), "redis://h/0")) == "redis://h/0 takes no more writes: OOM no"
    assert str(translated(R("ERR what"), "redis://h/0")) == "redis://h/0 answered: ERR what"
    assert "delete or rename it" in str(translated(R("WRONGTYPE no"), "redis://h/0"))
    assert "does not speak Redis" in str(translated(foreign.InvalidResponse("HTTP"), "redis://h/0"))


@pytest.mark.parametrize("silent", [TimeoutError(), EOFError(), ConnectionResetError()])
def test_an_error_without_words_is_told_by_its_name(silent: Exception) -> None:
    """An empty message helps nobody."""
    assert str(translated(silent, "redis://h/0")) == f"redis://h/0: {type(silent).__name__}"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("NOPERM this user has no permissions to run the 'time' command", "grant +time"),
        ("NOPERM User worker has no permissions to run the 'TIME' command", "grant +time"),
        ("ERR The user executing the script can't run this command or subcommand script", "`shadows doctor`"),
        ("NOPERM this user has no permissions to run the 'evalsha' command", ""),
    ],
)
def test_a_missing_right_is_named_where_the_server_names_none(text: str, hint: str) -> None:
    """FAULT 68: the scripts read the clock, which a narrow ACL forgets."""
    found = str(translated(R(text), "h"))
    assert hint in found
    assert found.endswith(text) == (not hint)


def test_a_group_is_what_its_first_member_is() -> None:
    """INV 33: wrapped in a group or not; nested, too."""
    away, full = foreign.ConnectionError("reset"), R("OOM no")
    assert type(translated(ExceptionGroup("both", [away, full]), "h")) is BrokerUnavailable
    nested = BaseExceptionGroup("outer", [ExceptionGroup("inner", [full]), away])
    assert type(translated(nested, "h")) is BrokerFull


def test_a_group_that_holds_a_bug_is_a_bug() -> None:
    """It must not be retried for ever because something else went wrong at the same time."""
    group = ExceptionGroup("both", [foreign.ConnectionError("reset"), KeyError("x")])
    assert translated(group, "h") is None


def test_the_first_refusal_among_answers_is_raised() -> None:
    """The commands of one trip each have their own."""
    first_error([1, None, b"x"])
    with pytest.raises(BrokerFull):
        first_error([1, BrokerFull("full"), NotAllowed("no")])
