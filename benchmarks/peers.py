"""Who is measured: the library, its packages, its settings."""

import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from tools import cache

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Peer:
    """One row of the tables."""

    name: str
    contender: str
    """the module in `contenders`"""
    packages: tuple[str, ...] = ()
    """what its environment holds; none: the checkout's own environment"""
    settings: dict[str, object] = field(default_factory=dict[str, object])
    checkout: Path | None = None
    """another checkout of shadows, run instead of this one"""

    def python(self) -> Path:
        """Give the interpreter of its environment, which is made when first asked for."""
        if not self.packages:
            return Path(sys.executable)
        made_from = "\n".join((sys.version, *self.packages))
        place = f"bench-{self.contender}-{sha256(made_from.encode()).hexdigest()[:12]}"
        return cache.once(place, self._make) / "bin" / "python"

    def environment(self) -> dict[str, str]:
        """Give the environment variables that its processes need."""
        return {"PYTHONPATH": str(self.checkout / "src")} if self.checkout else {}

    def _make(self, folder: Path) -> None:
        print(f"making an environment with {', '.join(self.packages)}", file=sys.stderr, flush=True)
        uv = _uv()
        _run(
            uv,
            "venv",
            "--quiet",
            "--allow-existing",
            "--relocatable",
            "--python",
            sys.executable,
            str(folder),
        )
        python = folder / "bin" / "python"
        _run(uv, "pip", "install", "--quiet", "--python", str(python), *self.packages)


DOCKET = ("pydocket==0.27.0", "redis==8.1.0", "hiredis==3.5.0")
TASKIQ = ("taskiq==0.13.0", "taskiq-redis==1.2.4", "redis==8.1.0", "hiredis==3.5.0")

PEERS = {
    peer.name: peer
    for peer in (
        Peer("shadows", "shadows"),
        Peer("shadows-ff", "shadows", settings={"execution_ttl": 0}),
        Peer("docket", "docket", DOCKET),
        Peer("taskiq-stream", "taskiq", TASKIQ),
    )
}


def named(name: str) -> Peer:
    """Give a peer by its name; `shadows@PATH` and `shadows-ff@PATH` are another checkout's.

    Raises:
        KeyError: there is none.
    """
    known, at, path = name.partition("@")
    peer = PEERS[known]
    if not at:
        return peer
    checkout = Path(path).resolve()
    if peer.contender != "shadows" or not (checkout / "src" / "shadows").is_dir():
        raise KeyError(name)
    return replace(peer, name=f"{known}@{checkout.name}", checkout=checkout)


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise cache.NotHereError(
            "there is no uv here to make the peers' environments; `python3 dev.py sync` installs it"
        )
    return found


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise cache.NotHereError(f"{' '.join(command[:3])} failed; its own words are above")
