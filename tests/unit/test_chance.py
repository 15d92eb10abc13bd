from __future__ import annotations

import os
import re
import threading
from types import SimpleNamespace

import pytest

from shadows import chance


def test_names_are_as_long_as_they_say_and_never_the_same() -> None:
    """More than one call of the system gives."""
    keys = [chance.key() for _ in range(1_000)]
    requests = [chance.request_id() for _ in range(1_000)]
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in keys)
    assert all(re.fullmatch("[0-9a-f]{16}", request) for request in requests)
    assert len({*(key[16:] for key in keys), *requests}) == 2_000


def test_a_key_that_is_made_later_sorts_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due at the same time becomes ready in the order of its keys: who was first is first."""
    moments = iter(range(10**18, 10**18 + 1_000))
    monkeypatch.setattr(chance, "time", SimpleNamespace(time_ns=lambda: next(moments)))
    keys = [chance.key() for _ in range(1_000)]
    assert keys == sorted(keys)


def test_threads_get_names_of_their_own() -> None:
    """A producer may make its calls in any thread."""
    made: list[list[str]] = []

    def make() -> None:
        made.append([chance.key() for _ in range(2_000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({key for keys in made for key in keys}) == 8_000


def test_a_forked_process_makes_other_names() -> None:
    """Else a call of the one would pass for one of the other that is there already."""
    chance.key()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, chance.key().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100).decode() != chance.key()
    os.close(reading)
    os.close(writing)
