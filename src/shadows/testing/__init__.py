"""What tests of applications need: so far the virtual clock of ``memory://``."""

from __future__ import annotations

from shadows.adapters.memory.virtual_clock import VirtualClock

__all__ = ["VirtualClock"]
