"""Who is measured by the suite, from which packages, with which settings, and in which scenarios."""

from __future__ import annotations

from typing import Any, Final

import attrs

from benchmarks.peers import Peer

_REDIS: Final = ("redis==8.1.0", "hiredis==3.5.0")
_DOCKET: Final = ("pydocket==0.27.0", *_REDIS)
_TASKIQ: Final = ("taskiq==0.13.0", "taskiq-redis==1.2.4", *_REDIS)
EVERYTHING: Final = ("add", "drain", "io", "wait")


@attrs.frozen
class Entrant:
    """One row."""

    name: str
    library: str
    """the module in `libraries`"""
    guarantee: str
    """what becomes of a call whose worker dies"""
    packages: tuple[str, ...] = ()
    """what its environment holds; none: the checkout's own"""
    settings: dict[str, Any] = attrs.field(factory=dict[str, Any])
    scenarios: tuple[str, ...] = EVERYTHING
    imports: str = ""
    """what a program that uses it imports"""
    in_targets: bool = False
    """whether a target is a ratio to it, or a figure of its own"""

    @property
    def peer(self) -> Peer:
        """The environment that it lives in."""
        return Peer(self.name, self.library, self.packages)


_KEPT: Final = "runs again; records and results are kept for 15 minutes"

ENTRANTS: Final = {
    entrant.name: entrant
    for entrant in (
        Entrant("shadows", "shadows", _KEPT, settings={"slots": 100}, imports="shadows.worker", in_targets=True),
        Entrant("shadows-10", "shadows", _KEPT, settings={"slots": 10}, scenarios=("drain",), in_targets=True),
        Entrant(
            "shadows-ff",
            "shadows",
            "runs again; nothing is kept",
            settings={"slots": 100, "execution_ttl": 0},
            scenarios=("add", "drain", "io"),
            in_targets=True,
        ),
        Entrant("docket", "docket", _KEPT, _DOCKET, {"slots": 10}, imports="docket", in_targets=True),
        Entrant(
            "docket-best",
            "docket",
            "runs again; nothing is kept; it polls every 5 ms",
            _DOCKET,
            {"slots": 100, "no_record": True, "polling": 0.005},
            in_targets=True,
        ),
        Entrant(
            "taskiq-stream",
            "taskiq",
            "runs again",
            _TASKIQ,
            {"slots": 100, "broker": "stream"},
            imports="taskiq_redis",
            in_targets=True,
        ),
        Entrant("taskiq-list", "taskiq", "is lost", _TASKIQ, {"slots": 100, "broker": "list"}),
        Entrant(
            "streaq",
            "streaq",
            "runs again",
            ("streaq==7.2.0", "hiredis==3.5.0"),
            {"slots": 100},
            imports="streaq",
            in_targets=True,
        ),
        Entrant(
            "saq",
            "saq",
            "runs again when a sweep finds it",
            ("saq[redis]==0.26.4", "typing_extensions==4.16.0", "hiredis==3.5.0"),
            {"slots": 100},
            imports="saq",
        ),
        Entrant("arq", "arq", "runs again", ("arq==0.28.0", "hiredis==3.5.0"), {"slots": 100}, imports="arq.worker"),
        Entrant(
            "dramatiq",
            "dramatiq",
            "runs again",
            ("dramatiq[redis]==2.2.1", *_REDIS),
            {"slots": 8},
            imports="dramatiq.brokers.redis",
            in_targets=True,
        ),
        Entrant(
            "celery",
            "celery",
            "runs again after an hour",
            ("celery[redis]==5.7.0", *_REDIS),
            {"slots": 100},
            imports="celery.app.base",
        ),
        Entrant("rq", "rq", "is a failure", ("rq==3.0.0", *_REDIS), {"slots": 1}, imports="rq"),
        Entrant("huey", "huey", "is lost", ("huey==3.5.4", *_REDIS), {"slots": 10}, imports="huey"),
        Entrant(
            "bare client",
            "bare",
            "the floor: no task, no record, no retry",
            _REDIS,
            {"slots": 100},
            scenarios=("add", "drain"),
            in_targets=True,
        ),
    )
}
"""By name, in the order in which they are shown."""


def named(names: str) -> list[Entrant]:
    """Give these, separated by commas.

    Raises:
        KeyError: there is none of that name.
    """
    return [ENTRANTS[name] for name in names.split(",")]
