from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shadows.core.paths import parse
from shadows.dependencies.collection import collection
from shadows.errors import ConfigurationError


async def send_mail(to: str) -> None: ...


def send_letter(to: str) -> None: ...


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Give a module that can be imported as ``shop.tasks``."""
    monkeypatch.setitem(sys.modules, "shop", types.ModuleType("shop"))
    found = types.ModuleType("shop.tasks")
    monkeypatch.setitem(sys.modules, "shop.tasks", found)
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder whose modules can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refused(path: str) -> ConfigurationError:
    """Give the error that a path is refused with."""
    with pytest.raises(ConfigurationError) as caught:
        collection(path, option="--tasks")
    assert (caught.value.source, caught.value.value) in {("--tasks", path), ("", path)}
    assert str(caught.value).startswith(f"--tasks={path!r}")
    return caught.value


# What there is


def test_a_collection_is_an_iterable_of_functions_or_one(module: types.ModuleType) -> None:
    """A list, a tuple, a set, one function, or what can be gone through but once; also inside of something."""

    def one_by_one() -> Iterator[Callable[..., Any]]:
        yield send_mail
        yield send_letter

    vars(module).update(
        several=[send_mail, send_letter],
        frozen=(send_mail,),
        one=send_letter,
        lazy=one_by_one(),
        none=[],
        inside=types.SimpleNamespace(tasks=[send_mail]),
    )
    assert collection("shop.tasks:several") == [send_mail, send_letter]
    assert collection("shop.tasks:frozen") == [send_mail]
    assert collection("shop.tasks:one") == [send_letter]
    assert collection("shop.tasks:lazy") == [send_mail, send_letter]
    assert collection("shop.tasks:none") == []
    assert collection("shop.tasks:inside.tasks") == [send_mail]


def test_a_module_alone_is_its_list_of_tasks(module: types.ModuleType) -> None:
    """What its author lists counts, even if it is none."""
    vars(module).update(tasks=[send_mail], other=send_letter)
    assert collection("shop.tasks") == [send_mail]
    vars(module).update(tasks=[])
    assert collection("shop.tasks") == []


def test_a_module_without_a_list_is_its_own_public_functions(folder: Path) -> None:
    """What it imports from elsewhere, classes and what begins with an underscore are none."""
    (folder / "shopping.py").write_text(
        "from os.path import join\n"
        "class Order: ...\n"
        "def pack(): ...\n"
        "async def ship(): ...\n"
        "def _weigh(): ...\n"
        "number = 3\n"
    )
    assert [function.__name__ for function in collection("shopping")] == ["pack", "ship"]


# What is wrong


@pytest.mark.parametrize(
    "path", ["", "shop:", ":tasks", ":", ".tasks:tasks", "..:tasks", "a b", "shop:tasks:more", "/", "a//b.py", "3d"]
)
def test_a_path_reads_module_and_attribute(path: str) -> None:
    """A relative one means nothing on a command line."""
    with pytest.raises(ConfigurationError, match=r"names no tasks; write module or module:attribute, for example") as e:
        collection(path)
    assert e.value.instead == ""


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("shop.py", "shop"),
        ("shop.py:tasks", "shop:tasks"),
        ("./app/shop.py:tasks", "app.shop:tasks"),
        ("app/shop:tasks", "app.shop:tasks"),
        ("app\\shop.py", "app.shop"),
        ("/app/shop.py", "app.shop"),
    ],
)
def test_the_path_of_a_file_is_told_as_that_of_its_module(path: str, instead: str) -> None:
    """The shell completes file names, so they get there."""
    with pytest.raises(ConfigurationError, match=f"is a file; write the module: {instead}") as caught:
        parse(path, argument="--tasks")
    assert caught.value.instead == instead


@pytest.mark.parametrize(
    ("path", "missing"),
    [("nowhere:tasks", "nowhere"), ("nowhere.at.all:tasks", "nowhere"), ("shadows.nowhere:tasks", "shadows.nowhere")],
)
def test_a_module_that_is_not_there_is_a_mistake_of_the_user(path: str, missing: str) -> None:
    """The usual reason is a PYTHONPATH."""
    error = refused(path)
    assert f"there is no module '{missing}'; is its folder on PYTHONPATH" in str(error)
    assert isinstance(error.__cause__, ModuleNotFoundError)
    assert error.instead == ""


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("shpo:tasks", "shop:tasks"),
        ("shpo", "shop"),
        ("apps.orders:tasks", "app.orders:tasks"),
        ("app.ordres:tasks", "app.orders:tasks"),
        ("app.ordres", "app.orders"),
    ],
)
def test_a_misspelt_module_is_found_in_the_folder_or_its_package(folder: Path, path: str, instead: str) -> None:
    """A folder of modules is one, with or without `__init__.py`."""
    (folder / "shop.py").touch()
    (folder / "app").mkdir()
    (folder / "app" / "orders.py").touch()
    error = refused(path)
    assert error.instead == instead
    assert f"did you mean {instead.partition(':')[0].removesuffix('.orders')}" in str(error)


@pytest.mark.parametrize("body", ["import nowhere_else", "raise ModuleNotFoundError('who knows')", "import shopping_2"])
def test_a_module_that_lacks_another_one_fails_as_it_does(folder: Path, body: str) -> None:
    """Its own traceback says more than we could."""
    (folder / "shopping.py").write_text(body)
    with pytest.raises(ModuleNotFoundError, match=r"nowhere_else|who knows|shopping_2"):
        collection("shopping:tasks")


def test_an_attribute_that_is_not_there_is_named_with_a_near_match(module: types.ModuleType) -> None:
    """The usual mistake is a typing error; else what looks like tasks may be meant."""
    vars(module).update(all_tasks=[send_mail], number=3)
    error = refused("shop.tasks:all_task")
    assert "the module 'shop.tasks' has no 'all_task'; did you mean all_tasks?" in str(error)
    assert error.instead == "shop.tasks:all_tasks"
    error = refused("shop.tasks:zzz")
    assert "has no 'zzz'; define it there: a list of task functions" in str(error)
    assert error.instead == "shop.tasks:all_tasks"
    del vars(module)["all_tasks"]
    assert refused("shop.tasks:zzz").instead == ""


def test_a_module_without_tasks_says_what_would_be_some(module: types.ModuleType) -> None:
    """It may be the wrong one."""
    vars(module).update(number=3, elsewhere=send_mail)
    error = refused("shop.tasks")
    assert "has no tasks: nothing called 'tasks', and no public function of its own" in str(error)
    assert error.instead == "shop.tasks:NAME"


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (5, "not a int"),
        (None, "not a NoneType"),
        ("send_mail", "not a str"),
        (b"send_mail", "not a bytes"),
        (["send_mail"], "not a list with a str in it"),
        ((send_mail, None), "not a tuple with a NoneType in it"),
        ({"a": send_mail}, "not a dict with a str in it"),
    ],
)
def test_a_collection_of_something_else_is_refused(module: types.ModuleType, wrong: object, what: str) -> None:
    """The text names what it is, and something that would do."""
    vars(module).update(wrong=wrong, several=[send_mail], send_mail=send_mail)
    error = refused("shop.tasks:wrong")
    assert f"it must be a function or an iterable of functions, {what}" in str(error)
    named = "send_mail" if "send_mail" in str(wrong).partition("<")[0] and isinstance(wrong, str | list) else "several"
    assert error.instead == f"shop.tasks:{named}"


def test_the_usual_name_is_likelier_than_another_list_and_that_than_a_function(folder: Path) -> None:
    """One of them is proposed."""
    (folder / "shopping.py").write_text(
        "def pack(): ...\nnumber = 3\nlater = [pack]\ntasks = [pack]\nempty = []\nnames = ['pack']\n"
    )
    assert refused("shopping:number").instead == "shopping:tasks"
    shopping = sys.modules["shopping"]
    del vars(shopping)["tasks"]
    assert refused("shopping:number").instead == "shopping:later"
    del vars(shopping)["later"]
    assert refused("shopping:number").instead == "shopping:pack"
