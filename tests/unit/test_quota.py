from __future__ import annotations

from shadows.core.quota import Quota


def test_a_key_that_is_named_is_counted_by_itself_and_else_its_task() -> None:
    """SEMANTICS, run_at_most: a key wins over its task; what is not named at all runs freely."""
    quota = Quota.of({"send": 1, "order-7": 2, "never": 0})
    assert [quota.admits("order-7", "send") for _ in range(3)] == [True, True, False]
    assert [quota.admits(key, "send") for key in ("a", "b")] == [True, False]
    assert [quota.admits("a", "never"), quota.admits("a", "free")] == [False, True]
