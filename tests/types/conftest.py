"""What pyright and mypy say about programs that use shadows."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "types: asks a type checker about a user's program; `-m 'not types'` is quicker")
