"""What a test says about the calls of a shadow: those that wait, and those that run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from shadows.dependencies.registry import own_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from shadows.execution import Execution
    from shadows.shadow import Shadow
    from shadows.snapshot import Snapshot

_SHOWN: Final = 20
"""How many calls a message shows."""
_WIDTH: Final = 60
"""Characters of an argument that it shows."""
_LOOK: Final = 1000
"""Calls that are looked at, at first."""


async def assert_task_scheduled(
    shadow: Shadow,
    function: Callable[..., Any] | str,
    *,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    key: str | None = None,
) -> Execution[Any]:
    """Fail unless a call of this task waits or runs; return the first one that fits.

    Args:
        shadow: where to look.
        function: the task, or its registered name.
        args: its positional arguments, all of them, as they were passed; default: any.
        kwargs: some of its arguments by name, however they were passed; default: any.
        key: its key; default: any.

    Raises:
        AssertionError: there is none; the text shows what is there.
    """
    snapshot = await _look(shadow)
    found = _fitting(shadow, snapshot, function, args, kwargs, key)
    if not found:
        raise AssertionError(f"no {_sought(function, args, kwargs, key)} waits or runs; {_shown(shadow, snapshot)}")
    return found[0]


async def assert_task_not_scheduled(
    shadow: Shadow,
    function: Callable[..., Any] | str,
    *,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    key: str | None = None,
) -> None:
    """Fail if a call of this task waits or runs that fits; the arguments mean what they do for
    :func:`assert_task_scheduled`.

    Raises:
        AssertionError: there is one; the text shows what is there.
    """
    snapshot = await _look(shadow)
    if found := _fitting(shadow, snapshot, function, args, kwargs, key):
        sought = _sought(function, args, kwargs, key)
        raise AssertionError(f"{len(found)} times a {sought} waits or runs, not 0; {_shown(shadow, snapshot)}")


async def assert_task_count(shadow: Shadow, function: Callable[..., Any] | str | None = None, *, count: int) -> None:
    """Fail unless exactly so many calls wait or run: of this task, or of all.

    Raises:
        AssertionError: there are more or fewer; the text shows what is there.
    """
    snapshot = await _look(shadow)
    if function is None:
        found, what = snapshot.total_tasks, "calls"
    else:
        found = len(_fitting(shadow, snapshot, function, None, None, None))
        what = f"calls of {_name(function)}"
    if found != count:
        raise AssertionError(f"{found} {what} wait or run, not {count}; {_shown(shadow, snapshot)}")


async def assert_no_tasks(shadow: Shadow) -> None:
    """Fail if any call waits or runs.

    Raises:
        AssertionError: there is one; the text shows what is there.
    """
    await assert_task_count(shadow, count=0)


async def _look(shadow: Shadow) -> Snapshot:
    snapshot = await shadow.snapshot(_LOOK)
    return snapshot if snapshot.total_tasks <= _LOOK else await shadow.snapshot(snapshot.total_tasks)


def _calls(snapshot: Snapshot) -> list[Execution[Any]]:
    return [*(one.execution for one in snapshot.running), *snapshot.future]


def _fitting(
    shadow: Shadow,
    snapshot: Snapshot,
    function: Callable[..., Any] | str,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    key: str | None,
) -> list[Execution[Any]]:
    names = _names(shadow, function)
    return [
        one
        for one in _calls(snapshot)
        if one.function_name in names
        and (args is None or tuple(one.args) == tuple(args))
        and (kwargs is None or all(_has(one, name, value) for name, value in kwargs.items()))
        and key in (None, one.key)
    ]


def _has(execution: Execution[Any], name: str, value: object) -> bool:
    try:
        return bool(execution.get_argument(name) == value)
    except KeyError:
        return False


def _names(shadow: Shadow, function: Callable[..., Any] | str) -> set[str]:
    """Return every name under which its calls may have been placed."""
    if isinstance(function, str):
        return {function}
    return {name for name, known in shadow.tasks.items() if known == function} or {own_name(function)}


def _name(function: Callable[..., Any] | str) -> str:
    return function if isinstance(function, str) else own_name(function)


def _sought(
    function: Callable[..., Any] | str, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None, key: str | None
) -> str:
    asked = {"args": args, "kwargs": kwargs, "key": key}
    said = " and ".join(f"{name}={value!r}" for name, value in asked.items() if value is not None)
    return f"call of {_name(function)}" + (f" with {said}" if said else "")


def _shown(shadow: Shadow, snapshot: Snapshot) -> str:
    calls = _calls(snapshot)
    if not calls:
        return f"{shadow!r} holds none"
    lines = [f"  {_call(one)}  key={one.key!r}  {_standing(one)}" for one in calls[:_SHOWN]]
    if len(calls) > _SHOWN:
        lines.append(f"  ... and {len(calls) - _SHOWN} more")
    return "\n".join([f"{shadow!r} holds:", *lines])


def _call(execution: Execution[Any]) -> str:
    """Return the call with its values: this is what a test is about."""
    named = [f"{name}={_short(value)}" for name, value in execution.kwargs.items()]
    return f"{execution.function_name}({', '.join([*map(_short, execution.args), *named])})"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def _standing(execution: Execution[Any]) -> str:
    state = "" if execution.state is None else execution.state.value
    return f"{state} for {execution.when.isoformat(' ')}" if execution.when and state == "scheduled" else state


def describe(executions: Iterable[Execution[Any]]) -> list[str]:
    """Return a line for each of these calls."""
    return [f"{_call(one)}  key={one.key!r}  {_standing(one)}" for one in executions]
