"""What the server tells of those who use it."""

import time
from collections import Counter
from typing import Any

import redis

MARK = "a-mark-of-the-benchmark"
NAME = "benchmark"
"""what our own connections are called"""


class Meter:
    """A connection of our own to the server."""

    def __init__(self, url: str) -> None:
        client: Any = redis.Redis
        self._client = client.from_url(url, decode_responses=True, client_name=NAME)

    def clear(self) -> None:
        """Empty the server, scripts and counters too."""
        self._client.flushall()
        self._client.script_flush()
        self._client.config_resetstat()

    def cpu(self) -> float:
        """Give the seconds of CPU that it has used."""
        told = self._client.info("cpu")
        return float(told["used_cpu_sys"]) + float(told["used_cpu_user"])

    def commands(self, seconds: float) -> tuple[Counter[str], Counter[str]]:
        """Watch for a while: what clients send, and what is executed, which includes what scripts call.

        INFO commandstats does not tell the two apart; MONITOR does, because it marks what a script calls.
        """
        with self._client.monitor() as monitor:
            self._client.echo(MARK)
            before = self._executed()
            time.sleep(seconds)
            executed = self._executed()
            self._client.echo(MARK)
            executed.subtract(before)
            sent = Counter[str]()
            while MARK not in monitor.next_command()["command"]:
                pass
            while MARK not in (seen := monitor.next_command())["command"]:
                if seen["client_type"] != "lua":
                    sent[seen["command"].split(" ", 1)[0].lower()] += 1
        for counted in (sent, executed):
            del counted["info"]
        return sent, +executed

    def _executed(self) -> Counter[str]:
        stats = self._client.info("commandstats")
        return Counter({name.removeprefix("cmdstat_").split("|")[0]: told["calls"] for name, told in stats.items()})
