"""A shadow in a FastAPI application: open while it serves, at hand in its endpoints, and shown by a router.

Needs FastAPI: ``pip install 'shadow-task[fastapi]'``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import datetime
from typing import Annotated, Any, Final, Unpack

from shadows.core.arguments import WorkerArguments
from shadows.core.lifecycle import ExecutionState
from shadows.errors import BrokerUnavailable, ConfigurationError, ResultUnavailable, Undecodable
from shadows.execution import Execution
from shadows.shadow import Shadow
from shadows.worker import Worker

try:
    from fastapi import APIRouter, Depends, FastAPI, HTTPException, Response
    from fastapi.encoders import jsonable_encoder
    from fastapi.requests import HTTPConnection
    from fastapi.responses import JSONResponse
    from pydantic import BaseModel
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"shadows.fastapi needs FastAPI ({missing}); install it with: pip install 'shadow-task[fastapi]'",
        name=missing.name,
    ) from missing

__all__ = [
    "AppShadow",
    "ExecutionStatus",
    "ProgressStatus",
    "ShadowStatus",
    "WorkerStatus",
    "get_shadow",
    "lifespan",
    "opened",
    "status_router",
]

_PLACE: Final = "shadows_shadow"
"""Where the state of an application has it."""
_PATIENCE: Final = 5.0
"""Seconds for a result that is there."""


def lifespan(
    shadow: Shadow,
    *,
    work: bool = False,
    tasks: Iterable[Callable[..., Any] | str] = (),
    **arguments: Unpack[WorkerArguments],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return the lifespan of an application that uses a shadow: ``FastAPI(lifespan=lifespan(Shadow("shop")))``.

    An application with a lifespan of its own uses :func:`opened` inside of that.

    Args:
        shadow: not entered yet; it is open while the application serves.
        work: let a worker run the calls in this process, too: handy while developing.
        tasks: functions to register, and paths such as ``"shop.tasks:tasks"``.
        **arguments: for that worker.
    """
    registered = list(tasks)

    def begin(app: FastAPI) -> AbstractAsyncContextManager[None]:
        return opened(app, shadow, work=work, tasks=registered, **arguments)

    return begin


@asynccontextmanager
async def opened(
    app: FastAPI,
    shadow: Shadow,
    *,
    work: bool = False,
    tasks: Iterable[Callable[..., Any] | str] = (),
    **arguments: Unpack[WorkerArguments],
) -> AsyncGenerator[None]:
    """Keep the shadow open, and at hand in the endpoints of this application; the arguments are those of
    :func:`lifespan`.

    Raises:
        ConfigurationError: there are arguments for a worker, but ``work`` is false; or something else cannot work.
    """
    if arguments and not work:
        raise ConfigurationError(f"{', '.join(arguments)} is for the worker of this process; write work=True, too")
    for task in tasks:
        if isinstance(task, str):
            shadow.register_collection(task)
        else:
            shadow.register(task)
    async with shadow:
        setattr(app.state, _PLACE, shadow)
        try:
            async with _working(shadow, work=work, **arguments):
                yield
        finally:
            delattr(app.state, _PLACE)


@asynccontextmanager
async def _working(shadow: Shadow, *, work: bool, **arguments: Unpack[WorkerArguments]) -> AsyncGenerator[None]:
    if not work:
        yield
        return
    async with Worker(shadow, **arguments) as worker:
        run = asyncio.create_task(worker.run_forever())
        await asyncio.sleep(0)  # it has begun, and can be stopped
        try:
            yield
        finally:
            worker.stop(within=worker.options.drain_timeout)
            await run


def get_shadow(connection: HTTPConnection) -> Shadow:
    """Return the shadow of the application that serves this request; for ``fastapi.Depends``.

    Raises:
        RuntimeError: its lifespan opens none.
    """
    found: Shadow | None = getattr(connection.app.state, _PLACE, None)
    if found is None:
        raise RuntimeError("this application has no shadow; make it with: FastAPI(lifespan=lifespan(Shadow(...)))")
    return found


type AppShadow = Annotated[Shadow, Depends(get_shadow)]
"""The shadow of the application, as a parameter of an endpoint: ``async def order(shadow: AppShadow): ...``"""


class ProgressStatus(BaseModel):
    """How far a call is, as its task reports."""

    current: int | None
    total: int
    message: str | None
    updated_at: datetime | None


class ExecutionStatus(BaseModel):
    """How a call is: neither its arguments, nor its result, nor what it raised."""

    key: str
    task: str
    state: ExecutionState | None
    attempt: int
    when: datetime | None
    worker: str | None
    started_at: datetime | None
    completed_at: datetime | None
    progress: ProgressStatus


class WorkerStatus(BaseModel):
    """A worker that is here."""

    name: str
    last_seen: datetime
    tasks: list[str]


class ShadowStatus(BaseModel):
    """How many calls there are, by what they do."""

    scheduled: int
    queued: int
    parked: int
    running: int
    dead: int
    workers: int


def status_router(*, results: bool = False) -> APIRouter:
    """Return a router that shows the shadow as JSON: ``app.include_router(status_router(), prefix="/tasks")``.

    - ``GET /status``: how many calls and workers there are;
    - ``GET /workers``: the workers that are here;
    - ``GET /executions/{key}``: the state and the progress of a call;
    - ``GET /results/{key}``, only with ``results``: what it returned.

    It shows no arguments and no messages of exceptions.  Who may ask is for you to say:
    ``include_router(..., dependencies=[Depends(signed_in)])``.

    Args:
        results: show results, too.  Whoever knows or guesses a key can read them.
    """
    router = APIRouter(tags=["shadows"])
    router.get("/status")(_status)
    router.get("/workers")(_workers)
    router.get("/executions/{key:path}")(_execution)
    if results:
        router.get("/results/{key:path}", response_model=None)(_result)
    return router


async def _status(shadow: AppShadow) -> ShadowStatus:
    """How many calls wait, run or could not be run, and how many workers are here."""
    with _answering():
        snapshot = await shadow.snapshot(limit=1)
    waiting = snapshot.scheduled + snapshot.queued + snapshot.parked
    return ShadowStatus(
        scheduled=snapshot.scheduled,
        queued=snapshot.queued,
        parked=snapshot.parked,
        running=snapshot.total_tasks - waiting,
        dead=snapshot.dead,
        workers=len(snapshot.workers),
    )


async def _workers(shadow: AppShadow) -> list[WorkerStatus]:
    """The workers that are here, and the tasks that they know."""
    with _answering():
        workers = await shadow.workers()
    return [WorkerStatus(name=one.name, last_seen=one.last_seen, tasks=sorted(one.tasks)) for one in workers]


async def _execution(key: str, shadow: AppShadow) -> ExecutionStatus:
    """The state and the progress of a call."""
    found = await _found(shadow, key)
    progress = found.progress
    return ExecutionStatus(
        key=found.key,
        task=found.function_name,
        state=found.state,
        attempt=found.attempt,
        when=found.when,
        worker=found.worker,
        started_at=found.started_at,
        completed_at=found.completed_at,
        progress=ProgressStatus(
            current=progress.current, total=progress.total, message=progress.message, updated_at=progress.updated_at
        ),
    )


async def _result(key: str, shadow: AppShadow) -> Response:
    """What a call returned (200); that it has not ended yet (202), or ended without a result (409)."""
    found = await _found(shadow, key)
    state = found.state
    if state is None or state.live:
        return JSONResponse({"state": state}, status_code=202)
    if state is not ExecutionState.COMPLETED:
        return JSONResponse({"state": state}, status_code=409)
    with _answering():
        try:
            result = await found.get_result(timeout=_PATIENCE)
        except (ResultUnavailable, Undecodable):
            raise HTTPException(410, "the result is not kept, or cannot be read here") from None
    try:
        return JSONResponse({"state": state, "result": jsonable_encoder(result)})
    except (TypeError, ValueError):
        raise HTTPException(406, f"the result is a {type(result).__name__}, which cannot be shown as JSON") from None


async def _found(shadow: Shadow, key: str) -> Execution[Any]:
    with _answering():
        try:
            found = await shadow.get_execution(key)
        except ConfigurationError:
            found = None  # no key can be like this
    if found is None:
        raise HTTPException(404, "nothing is kept of such a call")
    return found


@contextmanager
def _answering() -> Generator[None]:
    """Tell a client that the server is away, without saying where it is."""
    try:
        yield
    except (BrokerUnavailable, TimeoutError):
        raise HTTPException(503, "the server of the shadow does not answer") from None
