"""What a process needs of its worker: the worker itself offers a whole process too, and so is unknown down here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from datetime import timedelta
    from types import TracebackType

    from shadows.core.health import Health
    from shadows.core.settings import WorkerOptions


class Working(Protocol):
    """What its process needs of a worker."""

    @property
    def options(self) -> WorkerOptions:
        """Every setting in force."""
        ...

    def health(self) -> Health:
        """Tell whether it lives, and whether it is ready; any thread may ask."""
        ...

    def stop(self, within: timedelta | None = None) -> None:
        """Claim no more, and end within this time."""
        ...

    async def run_forever(self) -> None:
        """Work until it is stopped or cancelled."""
        ...

    async def run_until_finished(self) -> None:
        """Work until nothing is left."""
        ...

    async def __aenter__(self) -> Any: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
