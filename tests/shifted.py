"""A server whose clock can be put forward and back while it runs, for it is told another time by a small library.

It lies between the server and the system's own: `gettimeofday`, `time` and `clock_gettime(CLOCK_REALTIME)` are ahead
by as many seconds as stand in a file, which a test changes.  What measures durations goes on as ever.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.servers import Server

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *ahead;

__attribute__((constructor)) static void find(void) {
  const char *path = getenv("SHADOWS_AHEAD");
  int file = path ? open(path, O_RDONLY) : -1;
  void *seen = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
  if (seen != MAP_FAILED) ahead = seen;
}

int clock_gettime(clockid_t which, struct timespec *now) {
  int failed = syscall(SYS_clock_gettime, which, now);
  if (!failed && ahead && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) now->tv_sec += *ahead;
  return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
  struct timespec fine;
  clock_gettime(CLOCK_REALTIME, &fine);
  now->tv_sec = fine.tv_sec;
  now->tv_usec = fine.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *now) {
  struct timespec fine;
  clock_gettime(CLOCK_REALTIME, &fine);
  if (now) *now = fine.tv_sec;
  return fine.tv_sec;
}
"""


def compiler() -> str | None:
    """Return the compiler that is here, if one is."""
    return shutil.which("cc") or shutil.which("gcc")


class Shifted(Server):
    """One server with a clock of its own."""

    def __init__(self, name: str, workshop: Path, *options: str) -> None:
        super().__init__(name, *options)
        self._file, self._library = workshop / "ahead", workshop / "shifted.so"
        (workshop / "shifted.c").write_text(SOURCE)
        put = ("-shared", "-fPIC", "-O1", "-o", str(self._library), str(workshop / "shifted.c"))
        subprocess.run([str(compiler()), *put], check=True, capture_output=True)
        self.put_ahead(0)

    def put_ahead(self, seconds: int) -> None:
        """Let its clock be so much ahead of ours from now on; less than none: behind."""
        if not self._file.exists():
            self._file.write_bytes(bytes(8))
        with self._file.open("r+b") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))

    def _arguments(self) -> list[str]:
        return ["env", f"LD_PRELOAD={self._library}", f"SHADOWS_AHEAD={self._file}", *super()._arguments()]
