"""What several worker processes tell Prometheus, made one."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from shadows.adapters.observers.expositions import Ledger

RUNS = 'shadows_runs_total{{shadows_worker="{}"}} {}\n'


def shown(ledger: Ledger) -> dict[tuple[str, ...], float]:
    """Give what is exposed, by the name of the sample and the values of its labels."""
    families = text_string_to_metric_families(ledger.exposition().decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def counted(name: str, value: float) -> str:
    """Give a counter."""
    return f"# HELP {name}_total what it is\n# TYPE {name}_total counter\n{name}_total {value}\n"


def gauged(name: str, value: float) -> str:
    """Give a gauge."""
    return f"# TYPE {name} gauge\n{name} {value}\n"


def test_counters_are_added_up_unless_they_name_their_worker() -> None:
    """A rate over all of them is what people ask for; a rate of one worker must stay that."""
    ledger = Ledger()
    for number in (1, 2):
        runs = f"# TYPE shadows_runs_total counter\n{RUNS.format(f'w-{number}', number)}"
        ledger.note(number, counted("sold", number * 10) + runs)
    assert shown(ledger) == {
        ("sold_total",): 30,
        ("shadows_runs_total", "w-1"): 1,
        ("shadows_runs_total", "w-2"): 2,
    }
    assert b"# HELP sold_total what it is" in ledger.exposition()


def test_histograms_are_added_up_bucket_by_bucket() -> None:
    """Their quantiles are then those of all processes."""
    text = '# TYPE t histogram\nt_bucket{le="1.0"} 2.0\nt_bucket{le="+Inf"} 3.0\nt_count 3.0\nt_sum 9.0\n'
    ledger = Ledger()
    for number in (1, 2):
        ledger.note(number, text)
    assert shown(ledger) == {("t_bucket", "1.0"): 4, ("t_bucket", "+Inf"): 6, ("t_count",): 6, ("t_sum",): 18}


def test_what_a_process_had_counted_stays_when_it_has_ended() -> None:
    """A sum that falls is a restart to Prometheus, which would count all the rest once more.

    What names its worker goes with it: that series begins anew, or not at all.
    """
    ledger = Ledger()
    runs = f"# TYPE shadows_runs_total counter\n{RUNS.format('w-1', 7)}"
    ledger.note(1, counted("sold", 10) + runs + gauged("shadows_depth", 9))
    ledger.note(2, counted("sold", 5))
    ledger.forget(1)
    assert shown(ledger) == {("sold_total",): 15}
    ledger.note(1, counted("sold", 1))
    assert shown(ledger) == {("sold_total",): 16}
    ledger.forget(1)
    ledger.forget(1)
    ledger.forget(3)
    assert shown(ledger) == {("sold_total",): 16}


def test_gauges_are_not_added_up() -> None:
    """All see one shadow alike, but for a moment, and one machine; what only one of them knows is told apart."""
    ledger = Ledger()
    for number in (1, 2):
        ledger.note(
            number, gauged("shadows_queued", number) + gauged("python_info", 1) + gauged("resident_bytes", number)
        )
    assert shown(ledger) == {
        ("shadows_queued",): 2,
        ("python_info",): 1,
        ("resident_bytes", "1"): 1,
        ("resident_bytes", "2"): 2,
    }
