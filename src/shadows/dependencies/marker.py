"""What makes a parameter a dependency: its default, or an item of its ``Annotated``, is a marker."""

from __future__ import annotations

from typing import ClassVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.dependencies.plan import Plan
    from shadows.dependencies.running import Running, Workplace


class Marker:
    """A value that a task declares for a parameter, and that the worker replaces in each run.

    Markers are shared by all runs of a task and never change; ``for_run`` gives the run its own value.
    """

    __slots__ = ()

    single: ClassVar[bool] = False
    """whether a task may have only one of this kind; a subclass is of the kind of the class that says so"""
    annotates: ClassVar[bool] = False
    """whether, in ``Annotated``, it says something about an argument that the caller gives, instead of giving one"""
    lasting: ClassVar[bool] = False
    """whether it means the same to all runs of a worker, so that what is ``Shared`` may have it: ``for_worker``"""
    travels: ClassVar[bool] = False
    """whether what the run gets is of use in another process; it must pickle then"""

    def for_run(self, running: Running) -> object:
        """Return what the body gets in this run."""
        del running
        return self

    def for_worker(self, workplace: Workplace) -> object:
        """Return what is the same for all runs of a worker, if it is ``lasting``."""
        del workplace
        return self

    def check(self, plan: Plan) -> None:
        """Raise ConfigurationError if a function of this plan cannot declare it; asked when it is registered."""
