"""The docstring of a port's method is its contract, so each has one."""

import importlib
import inspect
import pkgutil

import pytest

from shadows import ports

PORTS = [importlib.import_module(f"shadows.ports.{found.name}") for found in pkgutil.iter_modules(ports.__path__)]
METHODS = [
    (name, method)
    for port in PORTS
    for name, protocol in inspect.getmembers(port, inspect.isclass)
    if getattr(protocol, "_is_protocol", False) and protocol.__module__ == port.__name__
    for _, method in inspect.getmembers(protocol, inspect.isfunction)
    if not method.__name__.startswith("_")
]


def test_there_are_ports() -> None:
    """The list below is not empty by mistake."""
    found = {name for name, _ in METHODS} | {"Backend"}
    of_servers = {"Broker", "Presence", "EventBus", "StrikeLog", "Backend"}
    assert found == {*of_servers, "Clock", "Codec", "TypedCodec", "Seal", "Observer", "Follower", "ResultStorage"}


@pytest.mark.parametrize(("port", "method"), METHODS, ids=lambda one: getattr(one, "__name__", one))
def test_every_method_of_a_port_says_what_it_promises(port: str, method: object) -> None:
    """An adapter's author has nothing else to go by."""
    assert inspect.getdoc(method), f"{port}.{method} has no docstring"
