"""Programs out of Debian packages, without root: unpacked, and run through their own loader and libraries.

The mirror is the one that this machine's own apt uses. Nothing outside the given folder is touched.
"""

import getpass
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.cache import NotHereError

KEYRINGS = ("debian-archive-keyring.gpg", "debian-archive-keyring.pgp")


def unpack(suite: str, packages: Sequence[str], into: Path) -> None:
    """Unpack the packages of a Debian release, and all that they depend on, into a folder."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise NotHereError("it comes from a Debian package, and this machine has no apt-get and dpkg-deb")
    with tempfile.TemporaryDirectory(prefix="shadows-apt-") as scratch:
        apt = _private_apt(Path(scratch), suite)
        _run(["apt-get", *apt, "-qq", "update"])
        needed = _with_dependencies(apt, packages)
        archives = Path(scratch) / "archives"
        archives.mkdir()
        _run(["apt-get", *apt, "-qq", "download", *needed], cwd=archives)
        for archive in sorted(archives.glob("*.deb")):
            _run(["dpkg-deb", "-x", str(archive), str(into)])


def wrapper(
    root: Path,
    program: str,
    *,
    called: str,
    script: str | None = None,
    environment: dict[str, str] | None = None,
    own_libraries: Sequence[str] = (),
) -> str:
    """Write the shell script that runs an unpacked program under the name `called`, or a script in it.

    It stands in a folder beside `root` and finds everything from its own place, so the whole may be moved.
    `{root}` in a value of the environment stands for the unpacked folder.  `own_libraries` are folders with libraries
    that only this program uses.
    """
    loader = _one(root, "ld-linux-*.so.*").relative_to(root)
    folders = [*own_libraries, *(path.relative_to(root) for path in _library_folders(root))]
    libraries = ":".join(f"$root/{folder}" for folder in folders)
    lines = ["#!/bin/sh", f'root=$(dirname "$(dirname "$(readlink -f "$0")")")/{shlex.quote(root.name)}']
    lines += [f'export {name}="{value.format(root="$root")}"' for name, value in (environment or {}).items()]
    runs = f'"$root/{program}"' + (f' "$root/{script}"' if script else "")
    lines.append(f'exec "$root/{loader}" --library-path "{libraries}" --argv0 {shlex.quote(called)} {runs} "$@"')
    return "\n".join([*lines, ""])


def triplet(root: Path) -> str:
    """Name the folder that Debian keeps this machine's libraries in, such as `x86_64-linux-gnu`."""
    return _one(root, "libc.so.6").parent.name


def _private_apt(scratch: Path, suite: str) -> list[str]:
    """Options that make apt look at one suite only, and keep its state in our own folder."""
    for name in ("lists/partial", "cache/archives/partial"):
        (scratch / name).mkdir(parents=True)
    keyring = next((path for name in KEYRINGS if (path := Path("/usr/share/keyrings", name)).exists()), None)
    if keyring is None:
        raise NotHereError("it comes from a Debian package, and Debian's signing keys are not on this machine")
    sources = scratch / "sources.list"
    sources.write_text(f"deb [signed-by={keyring}] {_mirror()} {suite} main\n")
    options = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": scratch / "lists",
        "Dir::Cache": scratch / "cache",
        "APT::Sandbox::User": getpass.getuser(),
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Acquire::http::Timeout": "20",
        "Acquire::https::Timeout": "20",
        "Debug::NoLocking": "1",
    }
    return [argument for name, value in options.items() for argument in ("-o", f"{name}={value}")]


def _mirror() -> str:
    """Find where this machine's own apt gets Debian: from what it has fetched, else from its sources."""
    told = _run(["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)"]).splitlines()
    known = [line.split()[1] for line in told if line.startswith("Debian ")]
    if not known:
        etc = Path("/etc/apt")
        files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
        text = "\n".join(file.read_text() for file in files if file.is_file())
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        found = re.findall(r"https?://\S+", "\n".join(lines))
        known = [uri for uri in found if re.search(r"debian/?$", uri)]
    if not known:
        raise NotHereError("it comes from a Debian package, and apt on this machine knows no Debian mirror")
    return known[0]


def _with_dependencies(apt: Sequence[str], packages: Sequence[str]) -> list[str]:
    told = _run(["apt-cache", *apt, "depends", "--recurse", "--important", *packages])
    names = {line for line in told.splitlines() if re.match(r"(lib|lua|zlib|openssl-)[a-z0-9.+-]*$", line)}
    return sorted(names.union(packages))  # what is left out serves a whole system: adduser, debconf, dpkg, ...


def _library_folders(root: Path) -> list[Path]:
    return sorted({path.parent for path in root.rglob("*.so.*") if path.parent.name == triplet(root)})


def _one(root: Path, pattern: str) -> Path:
    """Find a file by its name; links are passed over, for Debian's point at the system's own."""
    found = [path for path in root.rglob(pattern) if path.is_file() and not path.is_symlink()]
    if not found:
        raise NotHereError(f"no {pattern} came with the Debian packages")
    return found[0]


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("E:")] or ["E: no message"]
        raise NotHereError(f"{command[0]} failed: {lines[0][3:]}")
    return done.stdout
