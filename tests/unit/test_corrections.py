from __future__ import annotations

from typing import Annotated

import pytest
from cyclopts import App, Parameter

from shadows.cli import corrections
from shadows.cli.app import call
from shadows.cli.commands import COMMANDS, Command
from shadows.cli.complaints import UsageError, about
from shadows.cli.corrections import OTHERS, Option, exported, meant_command, meant_server, replaced, said_by, typed
from shadows.errors import ConfigurationError, UnsupportedServer


def tried(
    key: str,
    number: int = 3,
    /,
    *,
    pace: Annotated[float, Parameter(help="how fast")] = 1.5,
    loud: Annotated[bool, Parameter(negative=())] = False,
    quick: bool | None = None,
    drain_timeout: str | None = None,
    until: Annotated[str | None, Parameter(metavar="TIME")] = None,
    into: str | None = None,
) -> int:
    """Stand for a command; it has none of the shared options."""
    return number


@pytest.fixture(autouse=True)
def commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a few commands more, two of them in a group."""
    for name in ("tried", "strikes ls", "strikes clear"):
        monkeypatch.setitem(COMMANDS, name, Command("for tests", f"{__name__}:tried"))


def remedy(*words: str) -> str:
    """Give what is said to be typed instead of these words."""
    with pytest.raises(UsageError) as refused:
        call(words)
    return about(refused.value, words).remedy


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests are imported in a way of their own, so the command cannot be found by its name."""
    monkeypatch.setattr("shadows.cli.app.resolve_name", lambda _: tried)


# Commands


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("SNAPSHOT --json", "shadows snapshot --json"),
        ("strikes lss --json", "shadows strikes ls --json"),
        ("strike ls", "shadows strikes ls"),
        ("strikesls", "shadows strikes ls"),
        ("status", "shadows snapshot"),
        ("--json strikes ls --limit 3", "shadows strikes ls --json --limit 3"),
        ("--json nothing", ""),
        ("xyzzy --json", ""),
    ],
)
def test_a_command_that_does_not_exist_is_guessed_from_its_letters_and_other_programs(words: str, meant: str) -> None:
    """Its options stay as they are."""
    assert meant_command(words.split()) == meant


def test_what_other_programs_call_a_command_is_none_of_ours() -> None:
    """Otherwise nobody would ever be told."""
    assert not set(OTHERS) & {name.partition(" ")[0] for name in COMMANDS}


def test_a_word_of_other_programs_for_what_we_do_not_have_is_no_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """It must lead to a command that exists."""
    monkeypatch.setitem(OTHERS, "xyzzy", "teleport")
    assert meant_command(["xyzzy"]) == ""


def test_a_group_shows_its_commands_when_nobody_can_tell() -> None:
    """As does the whole command line."""
    assert remedy("strikes", "xyzzy") == "shadows strikes --help"
    assert remedy("xyzzy") == "shadows --help"
    assert remedy("--xyzzy") == "shadows --help"


# Options and words


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("tried k --pase 2", "shadows tried k --pace 2"),
        ("tried k --pase=2", "shadows tried k --pace=2"),
        ("tried k --un 2", "shadows tried k --until 2"),
        ("tried k -p 2", "shadows tried k --pace 2"),
        ("tried k -z 2", "shadows tried --help"),
        ("tried k --xyzzy", "shadows tried --help"),
        ("tried k --drain-timeout", "shadows tried k --drain-timeout 30s"),
        ("tried k --until", "shadows tried k --until TIME"),
        ("tried k --into --loud", "shadows tried k --into INTO --loud"),
        ("tried k --pace fast", "shadows tried k --pace 1.5"),
        ("tried k many", "shadows tried k 3"),
        ("tried k 3 --loud yes", "shadows tried k 3 --loud"),
        ("tried k 3 --loud no", "shadows tried k 3"),
        ("tried k 3 --quick off", "shadows tried k 3 --no-quick"),
        ("tried k 3 more", "shadows tried --help"),
        ("tried k 3 --loud more", "shadows tried --help"),
        ("strikes ls k 3 clear", "shadows strikes ls --help"),
        ("tried", "shadows tried KEY"),
        ("tried --pace -1 --until -5s --pace", "shadows tried --pace=-1 --until=-5s --pace 1.5"),
        ("tried k --pace 1 --pace 2", "shadows tried --help"),
        ("tried k --loud=maybe", "shadows tried k --loud=true"),
    ],
)
def test_words_that_a_command_does_not_understand_are_put_right(words: str, meant: str) -> None:
    """Where it can be told how; else its help is where to look."""
    assert remedy(*words.split()) == meant


def test_a_command_of_a_group_that_is_named_in_the_singular_is_found() -> None:
    """`worker ls` is a worker that takes no such argument, and nearly another command."""
    offered = [Option(("--shadows",), is_flag=False, example="orders")]
    assert corrections.with_place("strike", ["ls", "--json"], "ls", offered) == "shadows strikes ls --json"
    assert corrections.with_place("strike", ["orders"], "orders", offered) == "shadows strike --shadows orders"


def test_options_know_an_example_for_themselves() -> None:
    """That of the setting, else their default, else what stands for it."""
    app = App()
    app.default(tried)
    examples = {option.names[0]: option.example for option in corrections.options(app)}
    assert examples == {
        "--pace": "1.5",
        "--loud": "true",
        "--quick": "QUICK",
        "--drain-timeout": "30s",
        "--until": "TIME",
        "--into": "INTO",
    }


# Values


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("worker --tasks a,b --tasks c", "shadows worker --tasks a,b --tasks d"),
        ("worker --tasks a, --tasks=c,b", "shadows worker --tasks a, --tasks=d,b"),
        ("worker --tasks a --tasks x", "shadows worker --tasks a --tasks d"),
        ("worker c", "shadows worker d"),
        ("worker e", "shadows worker e"),
    ],
)
def test_only_the_part_of_a_value_that_cannot_work_is_replaced(words: str, meant: str) -> None:
    """If it is not found, as it holds a password, it was the last one."""
    assert replaced(words.split(), "--tasks", "c", "d") == meant


def test_no_password_is_typed_for_anybody() -> None:
    """Whoever looks over a shoulder sees the terminal, too."""
    words = ["snapshot", "--url", "redis://me:hunter2@h/0", "a@b"]
    assert typed(words) == "shadows snapshot --url 'redis://me:***@h/0' a@b"
    assert exported("SHADOW_URL", "x", "x", "redis://me:hunter2@h/0") == "export SHADOW_URL='redis://me:***@h/0'"
    assert exported("SHADOW_TASKS", "a:b, c:d", "c:d", "c:e") == "export SHADOW_TASKS=a:b,c:e"


def test_a_setting_is_called_what_the_user_calls_it() -> None:
    """An option that was typed, else a variable that is set, else what the error says."""
    assert said_by("fallback_task", ["worker", "--fallback-task=x"], {}) == "--fallback-task"
    assert said_by("tasks", ["worker"], {"SHADOW_TASKS": "a"}) == "SHADOW_TASKS"
    assert said_by("tasks", ["worker"], {}) == "tasks"
    assert said_by("--tasks", ["worker"], {}) == "--tasks"


def test_an_error_of_a_constructor_is_told_in_the_words_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody typed `fallback_task=`."""
    error = ConfigurationError("fallback_task='a:b' names 2", source="fallback_task", value="a:b", instead="a:c")
    monkeypatch.setenv("SHADOW_WORKER_FALLBACK_TASK", "a:b")
    said = about(error, ["worker"])
    assert said.what == "SHADOW_WORKER_FALLBACK_TASK='a:b' names 2"
    assert said.remedy == "export SHADOW_WORKER_FALLBACK_TASK=a:c"
    said = about(ConfigurationError("something else", source="key"), ["strikes", "ls", "x"])
    assert (said.what, said.remedy) == ("something else", "shadows strikes ls --help")


# Servers


@pytest.mark.parametrize(
    ("answer", "words", "meant"),
    [
        ("no such database", "snapshot --url redis://h:1/9", "shadows snapshot --url redis://h:1/0"),
        ("no such database", "snapshot --url=redis://u:p@h:1/9", "shadows snapshot '--url=redis://u:***@h:1/0'"),
        ("no answer within 5 s", "snapshot --url rediss://h:1/0", "shadows snapshot --url redis://h:1/0"),
        ("SSL: WRONG_VERSION", "snapshot --url valkeys://h:1/0", "shadows snapshot --url valkey://h:1/0"),
        ("no answer within 5 s", "snapshot --url redis://h:1/0", ""),
        ("refused", "snapshot --url rediss://h:1/0", ""),
        ("No permissions", "clear --url redis://u:p@h/0 --shadows a", "redis-cli ACL SETUSER u ~a:* &a:* +@all, on"),
        ("user has no permissions", "clear", "redis-cli ACL SETUSER default ~shadows:* &shadows:* +@all, on"),
    ],
)
def test_an_answer_of_a_server_leads_to_what_would_help(answer: str, words: str, meant: str) -> None:
    """Where the answer and the URL tell it."""
    found = meant_server(answer, words.split(), {})
    assert found.startswith(meant)
    assert bool(found) is bool(meant)


def test_a_server_of_a_variable_is_put_right_there() -> None:
    """The option was not typed."""
    environment = {"SHADOW_URL": "redis://h:1/9"}
    assert meant_server("no such database", ["clear"], environment) == "export SHADOW_URL=redis://h:1/0"


def test_a_server_that_cannot_be_used_is_no_riddle() -> None:
    """The table of remedies is asked where nothing better is known."""
    said = about(UnsupportedServer("redis://h does not speak Redis"), ["strikes", "ls"])
    assert said.remedy.startswith("shadows strikes ls --url redis://HOST:PORT/0 with another server")
