"""The command: python3 dev.py bench [--help]."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks import micro, startup
from benchmarks.peers import PEERS, ROOT, Peer, named
from benchmarks.process import ChildDiedError
from benchmarks.report import Run, medians, ratios, tables
from benchmarks.scenarios import SCENARIOS, SMOKE, IncompleteError, Sizes
from benchmarks.server import Meter
from tests.servers import Server, ServerMissingError
from tools import cache, servers

PREFERRED = ("redis-7.0", *servers.NAMES)


def main(arguments: list[str]) -> int:
    """Measure, print, write; fail if not everything ran."""
    if {"--targets", "--prepare", "--publish"} & {argument.split("=")[0] for argument in arguments}:
        from benchmarks.suite import run  # noqa: PLC0415 - it has options of its own

        return run.main(arguments, lambda name: name or _some_server(), _commit())
    options = _options(arguments)
    if options.micro:
        return micro.main(smoke=options.smoke)
    if options.startup:
        return startup.main(smoke=options.smoke)
    sizes = SMOKE if options.smoke else replace(Sizes(), **({"backlog": options.n} if options.n else {}))
    try:
        peers = [named(name) for name in options.peers.split(",")]
        scenarios: list[str] = options.scenarios.split(",")
        _ = [SCENARIOS[name] for name in scenarios]
    except KeyError as unknown:
        print(f"there is no {unknown}; see --help", file=sys.stderr)
        return 2
    try:
        for peer in peers:
            peer.python()
        server = Server(options.server or _some_server())
    except (cache.NotHereError, ServerMissingError) as why:
        print(why, file=sys.stderr)
        return 2
    with server:
        runs, failures = _measure(peers, scenarios, sizes, server, repetitions=options.reps)
    reference = peers[0].name
    print(f"\n{tables(runs, reference)}")
    if not options.smoke:
        found = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "commit": _commit(),
            "machine": {"python": sys.version, "system": platform.platform(), "cpus": os.cpu_count()},
            "server": server.name,
            "sizes": asdict(sizes),
            "medians": medians(runs),
            "ratios": {name: ratios(runs, name, reference) for name in scenarios},
            "runs": [asdict(run) for run in runs],
            "failures": failures,
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1) + "\n")
        print(f"\nEverything is in {options.json}")
    return 1 if failures else 0


def _measure(
    peers: Sequence[Peer], scenarios: Sequence[str], sizes: Sizes, server: Server, *, repetitions: int
) -> tuple[list[Run], list[str]]:
    """Let the peers take turns, so that a busy minute of the machine hits all alike."""
    runs: list[Run] = []
    failures: list[str] = []
    meter = Meter(server.url)
    for repetition in range(1, repetitions + 1):
        for name in scenarios:
            for peer in peers:
                meter.clear()
                what = f"{name} {repetition}/{repetitions}, {peer.name}"
                try:
                    values = SCENARIOS[name].run(peer, server.url, meter, sizes)
                except (ChildDiedError, IncompleteError) as broken:
                    failures.append(f"{what}: {broken}")
                    print(f"FAILED {failures[-1]}", file=sys.stderr, flush=True)
                    continue
                runs.append(Run(repetition, name, peer.name, values))
                first = SCENARIOS[name].columns[0]
                print(
                    f"{what}: {values[first.key]:,.{first.digits}f} {first.title}",
                    file=sys.stderr,
                    flush=True,
                )
    return runs, failures


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python3 dev.py bench", description=__doc__)
    smoke = "--smoke" in arguments
    parser.add_argument("--reps", type=int, default=1 if smoke else 3, help="how often each is measured (%(default)s)")
    parser.add_argument("--n", type=int, default=0, help=f"calls of the backlog ({Sizes().backlog:,})")
    parser.add_argument(
        "--peers",
        default="shadows" if smoke else ",".join(PEERS),
        help="who is measured; the others are compared with the first (%(default)s); shadows@PATH is another checkout",
    )
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help="what is measured (%(default)s)")
    parser.add_argument("--server", help=f"one of {', '.join(servers.NAMES)}")
    parser.add_argument(
        "--json", type=Path, default=ROOT / ".cache" / "bench.json", help="where to write (%(default)s)"
    )
    parser.add_argument("--smoke", action="store_true", help="only see that everything runs, in a few seconds")
    parser.add_argument("--micro", action="store_true", help="only what one run costs in the worker, without a server")
    parser.add_argument("--startup", action="store_true", help="only how long a process takes to begin")
    parser.add_argument(
        "--targets", action="store_true", help="the whole comparison, and what was promised; see --targets --help"
    )
    parser.add_argument("--prepare", action="store_true", help="only make the environments of that")
    parser.add_argument("--publish", metavar="JSON", help="show the results of that in docs/performance.md")
    return parser.parse_args(arguments)


def _some_server() -> str:
    """Give the server that PERFORMANCE.md was measured on, else one that is here, else fetch it."""
    if not servers.installed():
        servers.fetch(PREFERRED[0])
    here = servers.installed()
    for name in PREFERRED:
        if name in here:
            return name
    raise cache.NotHereError("there is no server here; `python3 dev.py servers` fetches one")


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
