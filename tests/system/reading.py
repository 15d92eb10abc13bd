"""The documents that shadows was asked for, and somebody who types in the programs that they print.

They lie beside the checkout (`../shared/seeds`).  A printed program runs as printed, but for what SUBSTITUTIONS
lists; whatever it uses and does not show is the test's to give.  LEFT_OUT lists the programs that nobody types, and
why; test_reading.py sees to it that there are no others.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import attrs

import shadows

SEEDS = Path(__file__).parents[3] / "shared" / "seeds"
DOCUMENTS = {
    "000": "000_b43195ce0a47a2dd.txt",  # in production
    "001": "001_c62192b05af97dcf.txt",  # the introduction
    "002": "002_b2469823e735597d.txt",  # in production, of the sibling system
    "003": "003_24d9a1e248e4f391.txt",  # getting started
    "004": "004_0a36ae86d9713ac7.txt",  # patterns
}

SUBSTITUTIONS = [
    # in which documents, what is printed, what is run, why
    ("002", "Docket", "Shadow", "the sibling system's names"),
    ("002", "docket", "shadows", "the sibling system's names"),
    ("000 002 003", "redis://localhost:6379/0", "{url}", "the server of this test"),
    ("000 002", "redis://redis.prod.com:6379/0", "{url}", "the server of this test"),
    (
        "001",
        "async with Worker(shadows) as worker:\n        await worker.run_until",
        "shadows.register(greet)\n    async with Worker(shadows) as worker:\n        await worker.run_until",
        "a worker must know its tasks; 003 says so, 001 forgot it",
    ),
]
"""Everything that is changed in a printed program before it runs.  Beside that, `Shadow()` finds the server and a
name of this test in SHADOW_URL and SHADOW_NAME.
"""

LEFT_OUT = {
    ("002", 3): "speaks to a Redis Cluster of its author's; tests/front/test_failover.py has one of its own",
    ("002", 7): "result_storage= and py-key-value stores come in a later version",
    ("002", 8): "result_storage= and py-key-value stores come in a later version",
}
"""Programs that nobody can type yet, and why."""


def blocks(document: str, language: str = "python") -> list[str]:
    """Give the fenced blocks of a document, in order."""
    text = (SEEDS / DOCUMENTS[document]).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def imported() -> dict[str, Any]:
    """Give the names that a program may use because the pages before it import them."""
    names = {name: getattr(shadows, name) for name in shadows.__all__}
    modules = {"asyncio": asyncio, "datetime": datetime, "timedelta": timedelta, "timezone": timezone, "uuid4": uuid4}
    return {**names, **modules, "__name__": "reading"}


@attrs.define
class Reader:
    """Somebody who types in a document, block by block, into one session."""

    document: str
    url: str
    names: dict[str, Any] = attrs.field(factory=imported)

    async def types(self, number: int, *, since: str = "", until: str = "") -> None:
        """Run one block as printed, or the part of it from the text `since` on, or as far as the text `until`."""
        text = blocks(self.document)[number]
        text = text[text.index(since) : text.index(until) if until else None]
        for documents, printed, run, _ in SUBSTITUTIONS:
            if self.document in documents:
                text = text.replace(printed, run.format(url=self.url))
        where, await_anywhere = f"{self.document}, block {number}", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(text, where, "exec", await_anywhere, dont_inherit=True)  # the __future__ of this file
        running = eval(code, self.names)  # noqa: S307 - this is the point
        if inspect.isawaitable(running):
            await running


def typed_in(source: str) -> set[tuple[str, int]]:
    """Give the blocks that the tests of a file type in: `typing = reader("001")`, then `typing.types(2)`."""
    found: set[tuple[str, int]] = set()
    for test in ast.walk(ast.parse(source)):
        if not isinstance(test, ast.AsyncFunctionDef):
            continue
        pairs = {pair for node in ast.walk(test) for pair in _readers(node)}
        readers = dict(pairs)
        if len(readers) < len(pairs):
            msg = f"{test.name} gives two readers one name, so that nobody can say which of them types"
            raise ValueError(msg)
        for node in ast.walk(test):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id=variable), attr="types"),
                    args=[ast.Constant(value=int(number))],
                ) if variable in readers:
                    found.add((readers[variable], number))
                case _:
                    pass
    return found


def _readers(node: ast.AST) -> list[tuple[str, str]]:
    """Give the variables that get a reader here, and the documents of these."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=variables)], value=ast.Tuple(elts=values)):
            pairs = list(zip(variables, values, strict=True))
        case ast.Assign(targets=[variable], value=value):
            pairs = [(variable, value)]
        case _:
            return []
    return [
        (variable.id, value.args[0].value)
        for variable, value in pairs
        if isinstance(variable, ast.Name)
        and isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id in {"reader", "real_reader", "Reader"}
        and isinstance(value.args[0], ast.Constant)
        and isinstance(value.args[0].value, str)
    ]


class Response:
    """What `http_client` answers."""

    def __init__(self, status_code: int) -> None:
        self.status_code = status_code

    def raise_for_status(self) -> None:
        """Raise unless all is well."""
        if self.status_code != 200:
            raise ConnectionError(f"status {self.status_code}")


@attrs.define
class HttpClient:
    """Stand for an HTTP client: each answer in turn, then 200 for ever."""

    codes: list[int] = attrs.field(factory=list[int])

    async def get(self, url: str) -> Response:
        """Answer."""
        del url
        return Response(self.codes.pop(0) if self.codes else 200)


class App:
    """Stand for a web framework: remember what handles a path."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[..., Any]] = {}

    def post(self, path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a handler."""

        def register(handler: Callable[..., Any]) -> Callable[..., Any]:
            self.handlers[path] = handler
            return handler

        return register


@attrs.define
class Orders:
    """Stand for a database in which these orders are pending, until somebody fetches them."""

    pending: list[int]

    async def fetch_pending_orders(self) -> list[SimpleNamespace]:
        """Give each of them once."""
        found, self.pending = self.pending, []
        return [SimpleNamespace(id=number) for number in found]


HANDLING_AN_ORDER = ("process_order_payment", "update_inventory", "send_confirmation_email")


@attrs.define
class Notebook:
    """Stand for the rest of a reader's program: functions that write down how they were called."""

    calls: list[tuple[Any, ...]] = attrs.field(factory=list[tuple[Any, ...]])
    """the name of each function that was called and its arguments"""

    def function(self, name: str, *answers: object) -> Callable[..., Any]:
        """Give an `async def` of this name that gives each answer in turn, the last one for ever; one that is an
        exception is raised.
        """
        left = list(answers)

        async def write_down(*args: Any) -> Any:
            self.calls.append((name, *args))
            answer = left.pop(0) if len(left) > 1 else next(iter(left), None)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        write_down.__name__ = write_down.__qualname__ = name
        return write_down

    def functions(self, *names: str) -> dict[str, Callable[..., Any]]:
        """Give functions that answer None, by name."""
        return {name: self.function(name) for name in names}
