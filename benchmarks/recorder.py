"""When each call started, written down by the bodies themselves."""

import asyncio
import time


class Recorder:
    """The starts of one worker's calls by their numbers, by a clock that all processes here share."""

    def __init__(self) -> None:
        self.starts: dict[int, float] = {}
        self.again = 0
        self.expected = 0
        self.complete = asyncio.Event()

    def started(self, number: int) -> None:
        """Note that the body of a call runs."""
        if number in self.starts:
            self.again += 1
            return
        self.starts[number] = time.monotonic()
        if len(self.starts) == self.expected:
            self.complete.set()


recorder = Recorder()
"""The one of this process."""
