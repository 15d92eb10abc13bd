"""``python -m shadows`` is the command ``shadows``."""

from __future__ import annotations

import sys

from shadows.cli import main

sys.exit(main())
