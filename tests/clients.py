"""Which client library serves the shadows of this run: the URL's own choice, unless `--client` or $SHADOWS_CLIENT says.

It is said for the suites of the contract and of the front doors; what else talks to a server in tests is no shadow.
"""

from __future__ import annotations

import os

from shadows.core.urls import CLIENTS

_chosen = ""


class NoSuchClientError(Exception):
    """Somebody asked for a client library that shadows does not know."""


def choose(option: str | None) -> None:
    """Settle which one."""
    global _chosen  # noqa: PLW0603 - pytest tells us once, before it collects
    _chosen = option or os.environ.get("SHADOWS_CLIENT") or ""
    if _chosen not in ("", *CLIENTS):
        raise NoSuchClientError(f"there is no client {_chosen}; there are {' and '.join(CLIENTS)}")


def by_client(url: str) -> str:
    """Return the URL of a shadow with that choice in it."""
    if not _chosen:
        return url
    return f"{url}{'&' if '?' in url else '?'}client={_chosen}"


def on_another_loop(url: str) -> str:
    """Return the URL for a second event loop beside the test's own, which valkey-glide does not serve."""
    return url.replace("client=glide", "client=redis-py")
