from __future__ import annotations

from benchmarks.load.outcome import Column
from benchmarks.report.results import Comparison, Result, Run
from benchmarks.report.tables import render

COLUMNS = (Column("cpu", "CPU µs", 1e6), Column("load", "load s", is_compared=False))


def runs(*values: float) -> list[Run]:
    return [Run(0.0, {"cpu": value, "load": 1.0}) for value in values]


def table(*results: Result) -> list[str]:
    comparison = Comparison("flood", "Flood", COLUMNS, list(results))
    return render(comparison, "ours").splitlines()


def test_ratios_are_of_the_same_round() -> None:
    ours = Result("ours", "ours", "flood", {}, runs(1e-6, 2e-6, 4e-6))
    theirs = Result("theirs", "theirs", "flood", {}, runs(3e-6, 6e-6, 40e-6))
    assert table(ours, theirs) == [
        "| server | CPU µs       | load s |",
        "| ------ | ------------ | ------ |",
        "| ours   | 2.00         | 1.00   |",
        "| theirs | 6.00 (×3.00) | 1.00   |",
        "",
        "Load average before each run: 0.0 to 0.0.",
    ]


def test_figures_of_an_invalid_run_do_not_count() -> None:
    faulty = Run(0.0, {"cpu": 1.0, "load": 1.0}, faults=[f"reader {n} lacks" for n in range(5)])
    ours = Result("ours", "ours", "flood", {}, runs(1e-6, 2e-6))
    theirs = Result("theirs", "theirs", "flood", {}, [faulty, *runs(6e-6)])
    lost = Result("lost", "lost", "flood", {}, [faulty])
    lines = table(ours, theirs, lost)
    assert lines[3:5] == [
        "| theirs (1 of 2 valid) | 6.00 (×3.00) | 1.00   |",
        "| lost                  | INVALID      |        |",
    ]
    assert lines[7] == (
        "theirs, round 1: INVALID: reader 0 lacks; reader 1 lacks; reader 2 lacks;"
        " and 2 more, 5 in all"
    )
