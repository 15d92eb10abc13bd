"""The ports of a process, and which pages each one serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadows.adapters.web import WebServer, listen

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from typing import Protocol

    from shadows.adapters.web import Page
    from shadows.core.settings import ProcessOptions

    class Pages(Protocol):
        """Everything that a process has to say, by path."""

        @property
        def of_health(self) -> Mapping[str, Page]:
            """What is served where somebody asks for health."""
            ...

        @property
        def of_metrics(self) -> Mapping[str, Page]:
            """What is served where somebody collects metrics."""
            ...


def servers(options: ProcessOptions, pages: Pages, called: Callable[[str], str]) -> Generator[WebServer]:
    """Take the ports, and give a server for each; the same number twice is one.

    Messages about an option call it what ``called`` makes of its name.

    Raises:
        ConfigurationError: a port cannot be had.
    """
    served: dict[int, tuple[str, dict[str, Page]]] = {}
    of_options = (
        ("healthcheck_port", options.healthcheck_port, pages.of_health),
        ("metrics_port", options.metrics_port, pages.of_metrics),
    )
    for name, port, its in of_options:
        if port is not None:
            served.setdefault(port, (name, {}))[1].update(its)
    for port, (name, its) in served.items():
        yield WebServer(listen(port, source=called(name)), its)
