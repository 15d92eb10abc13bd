"""The in-process backend behind ``memory://name``, and the readable model of what the broker port means.

``store`` is the state and ``moves`` the few ways in which it changes; ``scheduling``, ``claiming``,
``settling`` and ``reading`` are the verbs, as if nobody else existed; ``broker`` runs each under one lock.
"""

from shadows.adapters.memory.backend import MemoryBackend, open_backend

__all__ = ["MemoryBackend", "open_backend"]
