"""The pages that a worker serves, as a probe asks for them."""

from __future__ import annotations

from http.client import HTTPConnection

PATIENCE = 20.0
"""Seconds for an answer: the machine may be busy."""


def ask(port: int, path: str) -> tuple[int, str]:
    """Return the status and the text of a page."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found
