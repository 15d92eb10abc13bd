#!/usr/bin/env python3
"""One command for everything a contributor does.  Needs nothing but some Python 3.8 or newer.

    python3 dev.py demo                   see shadows at work (needs no server)
    python3 dev.py test [pytest args]     run the tests, on memory and on real servers
    python3 dev.py check                  linters, types, layers, Lua, docs
    python3 dev.py lint                   only the quick half of check
    python3 dev.py fix                    let ruff repair and format what it can
    python3 dev.py api                    write down the public names and signatures, after a change
    python3 dev.py servers                fetch the servers for the tests, once
    python3 dev.py bench [args]           run the benchmark
    python3 dev.py mutants [names]        plant known bugs, one at a time, and see that the tests catch them
    python3 dev.py soak [args]            break everything for an hour, and see what holds
    python3 dev.py reference [--check]    write docs/reference and docs/llms.txt anew from the code
    python3 dev.py sync                   only make .venv, with every tool in it

The first run finds a Python 3.12 or newer, makes .venv and installs what uv.lock names.  Later runs do that
again only when pyproject.toml or uv.lock has changed.

    --python 3.13            before the command: use that version, in .venv-3.13
    test --coverage PERCENT  measure branch coverage too, and fail below that
    SHADOWS_PYTHON=/path     the interpreter to use
    SHADOWS_SERVERS=names    the servers to test on: valkey-9,redis-6.2 or all or none
"""

import concurrent.futures
import contextlib
import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

OLDEST = (3, 12)
HERE = os.path.dirname(os.path.abspath(__file__))
# What a command needs; any other one needs everything.
GROUPS = {"demo": [], "bench": [], "servers": [], "test": ["test"], "mutants": ["test"], "soak": ["test"]}
EVERYTHING = ["dev"]
REMEDY = "Install one, or set SHADOWS_PYTHON=/path/to/python"
PROBE = "import ensurepip, sys, venv; print(*sys.version_info[:3])"


def main(arguments):
    wanted = None
    if arguments[:1] == ["--python"]:
        wanted = "".join(arguments[1:2])
        if not re.fullmatch(r"3(\.\d+){1,2}", wanted):
            stop("--python takes a version, for example: python3 dev.py --python 3.13 test")
        arguments = arguments[2:]
    command, rest = (arguments or ["help"])[0], arguments[1:]
    if command in ("help", "-h", "--help"):
        print(__doc__.strip())
        return 0
    actions = {
        "demo": demo,
        "test": test,
        "check": check,
        "lint": lint,
        "fix": fix,
        "api": api,
        "servers": servers,
        "bench": bench,
        "mutants": mutants,
        "soak": soak,
        "reference": reference,
        "sync": sync_only,
    }
    if command not in actions:
        stop(f"unknown command {command!r}. Say one of: {', '.join(actions)}")
    os.chdir(HERE)
    return actions[command](environment(command, wanted), rest)


# The commands -------------------------------------------------------------------------------------


def demo(python, rest):
    return run(python, "-m", "shadows", "demo", *rest)


def test(python, rest):
    percent = None
    if rest[:1] == ["--coverage"]:
        percent, rest = "".join(rest[1:2]), rest[2:]
        if not percent.isdigit():
            stop("--coverage takes a percentage, for example: python3 dev.py test --coverage 100")
    fetched = fetch_servers(python)
    if fetched and os.environ.get("CI") == "true":
        return fetched
    run(python, "-m", "compileall", "-q", "src", "tests")
    processes = str(min(2 * (os.cpu_count() or 1), 8))  # half of the time they wait
    tests = ["-m", "pytest", "--numprocesses", processes, "--dist", "worksteal", *rest]
    if percent is None:
        return run(python, *tests)
    run(python, "-m", "coverage", "erase")
    tested = run(python, "-m", "coverage", "run", *tests)
    if tested:
        return tested
    run(python, "-m", "coverage", "combine", "--quiet")
    return run(python, "-m", "coverage", "report", "--fail-under", percent)


def servers(python, rest):
    return run(python, "-m", "tools.servers", *rest)


def bench(python, rest):
    if not os.path.exists(os.path.join("benchmarks", "__main__.py")):
        stop("there is no benchmark here yet: benchmarks/__main__.py does not exist")
    return run(python, "-m", "benchmarks", *rest)


def mutants(python, rest):
    fetched = fetch_servers(python)
    if fetched and os.environ.get("CI") == "true":
        return fetched
    run(python, "-m", "compileall", "-q", "src", "tests", "tools")
    return run(python, "-m", "tools.mutants", *rest)


def soak(python, rest):
    return fetch_servers(python) or run(python, "-m", "tests.system.fire.soak", *rest)


def reference(python, rest):
    return run(python, "-m", "tools.reference", *rest)


def lint(python, rest):
    refuse(rest)
    return all_of(quick(python))


def check(python, rest):
    refuse(rest)
    return all_of(quick(python) + slow(python))


def fix(python, rest):
    refuse(rest)
    ruff = beside(python, "ruff")
    return run(ruff, "check", "--fix", "--quiet") or run(ruff, "format", "--quiet")


def api(python, rest):
    refuse(rest)
    return run(python, "-m", "tools.public_api", "--write")


def sync_only(python, rest):
    refuse(rest)
    print(python)
    return 0


def quick(python):
    ruff = beside(python, "ruff")
    return [
        ("ruff check", [ruff, "check", "--quiet"]),
        ("ruff format", [ruff, "format", "--check", "--quiet"]),
        ("layers", [beside(python, "lint-imports"), "--no-cache"]),
        ("luacheck", [python, "-m", "tools.luacheck"]),
        ("uv.lock", [beside(python, "uv"), "lock", "--check", "--quiet", "--python", python]),
    ]


def slow(python):
    return [
        ("pyright", [beside(python, "pyright"), "--pythonpath", python]),
        ("mypy", [beside(python, "mypy")]),
        ("docs", [python, "-m", "tools.site"]),
    ]


def all_of(steps):
    """Run every step, a few at a time; show the output of those that fail, and of nothing else."""

    def one(step):
        began = time.monotonic()
        done = subprocess.run(
            step[1], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=child_environment()
        )
        return step[0], done, time.monotonic() - began

    failed = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 2)) as pool:
        for name, done, seconds in pool.map(one, steps):
            output = done.stdout.decode("utf-8", "replace").strip()
            print(f"{'FAILED' if done.returncode else 'ok':<6} {name:<12} {seconds:5.1f} s", flush=True)
            if done.returncode:
                failed.append(name)
            if output and (done.returncode or "skipped" in output):
                print(output, flush=True)
    if failed:
        print("failed: " + ", ".join(failed))
    return 1 if failed else 0


def fetch_servers(python):
    return run(python, "-m", "tools.servers", "--quiet")


# The environment ----------------------------------------------------------------------------------


def environment(command, wanted):
    """The path of the interpreter in .venv, made and filled if need be."""
    venv = os.path.join(HERE, ".venv" if wanted is None else ".venv-" + wanted)
    python = os.path.join(venv, "bin", "python")
    groups = GROUPS.get(command, EVERYTHING)
    if up_to_date(venv, python, groups):
        return python
    with one_at_a_time():
        if not up_to_date(venv, python, groups):
            if not usable(python, wanted):
                make(venv, interpreter(wanted))
            install(venv, python, groups)
            stamp(venv, groups)
    return python


def make(venv, python):
    say(f"making {os.path.basename(venv)} with {python}")
    call([python, "-m", "venv", "--clear", venv], f"{python} could not make a virtual environment")


def install(venv, python, groups):
    uv = os.path.join(venv, "bin", "uv")
    if not os.path.exists(uv):
        call(
            [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "uv>=0.9"],
            "pip could not install uv; is there a way to the Python package index from here?",
        )
    say("installing what uv.lock names" + (f" ({', '.join(groups)})" if groups else ""))
    command = [uv, "sync", "--locked", "--inexact", "--quiet", "--no-default-groups", "--no-python-downloads"]
    command.append("--compile-bytecode")  # each test that starts a program would compile it all again
    for group in groups:
        command += ["--group", group]
    call(
        command,
        "uv could not install what uv.lock names; its own words are above. Can the package index be reached? "
        "After a change of the dependencies in pyproject.toml, `uv lock` comes first",
        dict(child_environment(), UV_PROJECT_ENVIRONMENT=venv, UV_PYTHON=python),
    )


def up_to_date(venv, python, groups):
    """Everything that a command needs was installed, from the pyproject.toml and uv.lock of today."""
    try:
        with open(os.path.join(venv, ".stamp")) as file:
            digest, _, installed = file.read().partition(" ")
    except OSError:
        return False
    done = installed.split()
    return digest == fingerprint() and set(groups) <= set(done) and os.path.exists(python)


def stamp(venv, groups):
    done = set(groups)
    with contextlib.suppress(OSError), open(os.path.join(venv, ".stamp")) as file:
        digest, _, installed = file.read().partition(" ")
        if digest == fingerprint():
            done |= set(installed.split())
    if "dev" in done:
        done |= {"test"}
    with open(os.path.join(venv, ".stamp"), "w") as file:
        file.write(fingerprint() + " " + " ".join(sorted(done)))


def fingerprint():
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "uv.lock"):
        with open(os.path.join(HERE, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


@contextlib.contextmanager
def one_at_a_time():
    """Two runs in one checkout: the second waits until the first has made the environment."""
    place = hashlib.sha256(HERE.encode()).hexdigest()[:16]
    with open(os.path.join(tempfile.gettempdir(), f"shadows-dev-{os.getuid()}-{place}.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# Finding a Python ---------------------------------------------------------------------------------


def interpreter(wanted):
    given = os.environ.get("SHADOWS_PYTHON")
    if given and wanted is None:
        if not usable(given, None):
            stop(f"SHADOWS_PYTHON is {given}, which is not a working Python {dotted(OLDEST)} or newer")
        return given
    for candidate in candidates(wanted):
        if usable(candidate, wanted):
            return os.path.realpath(candidate) if os.path.islink(candidate) else candidate
    if wanted is not None:
        stop(f"no Python {wanted} was found on PATH or in the usual places. Install it first")
    return downloaded()


def candidates(wanted):
    """Every place where a Python may lie, likely ones first; each is tried by running it."""
    names = ["python" + wanted] if wanted else [f"python3.{minor}" for minor in (13, 12, 14, 15)]
    found = [sys.executable, *(shutil.which(name) for name in [*names, "python3", "python"])]
    home = os.path.expanduser("~")
    pyenv = os.environ.get("PYENV_ROOT") or os.path.join(home, ".pyenv")
    patterns = [
        os.path.join(pyenv, "versions", "3.*", "bin", "python"),
        os.path.join(uv_pythons(), "cpython-3.*", "bin", "python3"),
        os.path.join(home, ".asdf", "installs", "python", "3.*", "bin", "python"),
        os.path.join(home, ".local", "share", "mise", "installs", "python", "3.*", "bin", "python"),
        "/opt/python*/bin/python3",
        "/opt/homebrew/bin/python3.*",
        "/usr/local/bin/python3.*",
    ]
    for pattern in patterns:
        found += sorted(glob.glob(pattern), key=by_version, reverse=True)
    return [path for path in dict.fromkeys(found) if path and not path.endswith("-config")]


def by_version(path):
    """3.9 comes before 3.12, wherever in the path the version stands."""
    return [int(part) if part.isdigit() else 0 for part in re.split("[-./]", path)]


def usable(python, wanted):
    """It runs, is new enough, and can make virtual environments."""
    try:
        done = subprocess.run(
            [python, "-c", PROBE], check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20
        )
        version = tuple(int(part) for part in done.stdout.split())
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False
    if done.returncode or version < OLDEST:
        return False
    return wanted is None or dotted(version).startswith(wanted + ".") or dotted(version) == wanted


def downloaded():
    """No interpreter is new enough: uv, from the package index, may fetch one."""
    say(f"no Python {dotted(OLDEST)} or newer was found; fetching one with uv")
    uv = shutil.which("uv")
    if not uv:
        tools = os.path.join(HERE, ".venv-uv")
        explain = f"no Python {dotted(OLDEST)} or newer was found. {REMEDY}"
        call([sys.executable, "-m", "venv", "--clear", tools], explain)
        uv = os.path.join(tools, "bin", "uv")
        call([os.path.join(tools, "bin", "python"), "-m", "pip", "install", "-qq", "uv>=0.9"], explain)
    explain = f"uv could not fetch Python {dotted(OLDEST)}. {REMEDY}"
    call([uv, "python", "install", dotted(OLDEST)], explain)
    for candidate in glob.glob(os.path.join(uv_pythons(), "cpython-3.*", "bin", "python3")):
        if usable(candidate, None):
            return candidate
    return stop(explain)


def uv_pythons():
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.environ.get("UV_PYTHON_INSTALL_DIR") or os.path.join(data, "uv", "python")


# Small things -------------------------------------------------------------------------------------


def run(*command):
    """Run a program in the foreground; its exit code is ours."""
    try:
        return subprocess.call(list(command), env=child_environment())
    except KeyboardInterrupt:
        return 130


def call(command, explain, env=None):
    """Run a step of the set-up, which must not fail."""
    if subprocess.call(command, env=env or child_environment()):
        stop(explain)


def child_environment():
    """Our environment, without another environment's traces in it."""
    foreign = ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH")
    return {key: value for key, value in os.environ.items() if key not in foreign}


def beside(python, name):
    return os.path.join(os.path.dirname(python), name)


def dotted(version):
    return ".".join(str(part) for part in version)


def refuse(rest):
    if rest:
        stop("this command takes no arguments, but was given: " + " ".join(rest))


def say(message):
    print("dev.py: " + message, file=sys.stderr, flush=True)


def stop(message):
    say(message)
    sys.exit(2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
