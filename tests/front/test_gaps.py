"""How soon a worker claims again when another server has taken over (issue 6; FAULTS 58, 62, 70, 71, 72).

When servers come to terms is theirs to say, and on a busy machine it takes long: the bounds count from the moment at
which a bare client can write to the new server, and allow for what the machine itself was seen to take.
"""

from __future__ import annotations

import pytest

from tests.clients import by_client
from tests.gaps import BLOCK, CELLS, PATIENCE, Gap, cell
from tests.servers import places

CLIENT = "glide" if "glide" in by_client("") else "redis-py"
HERE = [words for words in CELLS if words[0] in places() and words[2] == CLIENT]
"""Those that this run wants: each takes some ten seconds, and once is enough."""
AFTER = 2.0
"""Seconds behind the failover."""


def bound(fault: str, gap: Gap) -> float:
    """Return how long nobody may have claimed."""
    if fault == "migrated":  # keys go over one by one, and until the last has arrived scripts are refused
        return max(3.0, gap.away + AFTER) + gap.slack
    noticed = max(gap.away, BLOCK + PATIENCE) if fault == "frozen" else gap.away
    return noticed + AFTER + gap.slack


if HERE:  # without a topology there is nothing to ask, and nothing is skipped

    @pytest.mark.slow
    @pytest.mark.timeout(180)
    @pytest.mark.parametrize(("topology", "fault", "client"), HERE)
    async def test_a_worker_claims_again_soon(topology: str, fault: str, client: str) -> None:
        """Within the failover and 2 s; a frozen server, within block time and 5 s, and 2 s; a migration, within 3 s."""
        gap = await cell(topology, fault, client)
        assert gap.away + gap.behind <= bound(fault, gap), gap
        assert gap.silence <= bound(fault, gap), gap
