"""A web service that hands work to the background: FastAPI, a task that retries, a task at times on the clock.

In the folder above this one, with `pip install 'shadow-task[fastapi]' uvicorn`:

    uvicorn examples.fastapi_service:app

It needs no server: calls live in this process, and a worker runs them here.  In production, SHADOW_URL names a server,
SHADOW_URL being set turns the worker in this process off, and workers are processes of their own:

    shadows worker --tasks examples.fastapi_service:tasks
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from fastapi import FastAPI

from shadows import Cron, ExecutionProgress, ExponentialRetry, Progress, Shadow
from shadows.fastapi import AppShadow, lifespan, status_router

_failures = {"flaky": 2}
"""how often the mail server is still out of order, by who gets mail"""


async def send_welcome(
    name: str,
    retry: ExponentialRetry = ExponentialRetry(attempts=5, minimum_delay=timedelta(milliseconds=100)),
    progress: ExecutionProgress = Progress(),
) -> str:
    """Send a letter; try again if the mail server is out of order."""
    await progress.set_total(2)
    await progress.increment()
    if _failures.get(name, 0):
        _failures[name] -= 1
        raise ConnectionError("the mail server is out of order")
    await progress.increment()
    return f"welcome, {name}, at the attempt {retry.attempt}"


async def tidy_up(cron: Cron = Cron("0 3 * * *", tz="Europe/Berlin")) -> None:
    """Run every night at three."""


tasks: list[Callable[..., Any]] = [send_welcome, tidy_up]
url = os.environ.get("SHADOW_URL")
app = FastAPI(lifespan=lifespan(Shadow("service", url or "memory://service"), tasks=tasks, work=url is None))
app.include_router(status_router(results=True), prefix="/tasks")


@app.post("/customers/{name}", status_code=202)
async def sign_up(name: str, shadow: AppShadow) -> dict[str, str]:
    """Answer at once; the letter follows.  Whoever asks twice gets one letter."""
    execution = await shadow.add(send_welcome, key=f"welcome-{name}")(name)
    return {"key": execution.key}
