"""The arrows of the design point downward only. The layers themselves are written in pyproject.toml."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_import_respects_the_layers(contract: str) -> None:
    """Siblings do not know each other, a lower layer knows no higher one, and the core does no I/O."""
    linter = Path(sys.executable).with_name("lint-imports")
    command = [str(linter), "--no-cache", "--no-logo", "--contract", contract]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{CONTRACTS[contract]}:\n{done.stdout}{done.stderr}"
