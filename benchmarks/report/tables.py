"""Tables of what was measured: medians, and the ratios to one of the servers."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.load.outcome import Column
from benchmarks.report.results import Comparison, Result, Run

__all__ = ["format_number", "render", "render_table"]

_NAMED = 3


def render(comparison: Comparison, base: str) -> str:
    """Return a table of medians, and under it what was wrong.

    Args:
        comparison: What was measured.
        base: The server that ratios are to: those of the same round, of which the median counts.
    """
    results, columns = comparison.results, comparison.columns
    reference = next((result for result in results if result.label == base), None)
    head = [comparison.axis or "server", *(column.title for column in columns)]
    rows = [[_label(result), *_cells(result, columns, reference)] for result in results]
    return "\n".join([render_table(head, rows), "", _load(results), *_remarks(results)])


def render_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown, its columns aligned."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in lines
    )


def _label(result: Result) -> str:
    valid, runs = len(result.valid), len(result.runs)
    return f"{result.label} ({valid} of {runs} valid)" if 0 < valid < runs else result.label


def _cells(result: Result, columns: Sequence[Column], reference: Result | None) -> list[str]:
    if not result.valid:
        return ["INVALID" if column is columns[0] else "" for column in columns]
    return [_cell(result, column, reference) for column in columns]


def _cell(result: Result, column: Column, reference: Result | None) -> str:
    values = [run.figures[column.key] for run in result.valid if column.key in run.figures]
    if not values:
        return "-"
    text = format_number(median(values) * column.scale)
    if column.is_compared and reference is not None and result is not reference:
        ratios = _ratios(result, reference, column)
        text += f" (×{format_number(median(ratios))})" if ratios else ""
    return text


def _ratios(result: Result, reference: Result, column: Column) -> list[float]:
    pairs = zip(result.runs, reference.runs, strict=False)
    return [
        run.figures[column.key] / other.figures[column.key]
        for run, other in pairs
        if _has(run, column) and _has(other, column) and other.figures[column.key]
    ]


def _has(run: Run, column: Column) -> bool:
    return not run.faults and column.key in run.figures


def format_number(value: float) -> str:
    """Write three digits, or all that are before the point."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}"


def _remarks(results: Sequence[Result]) -> list[str]:
    remarks = []
    for result in results:
        for number, run in enumerate(result.runs, 1):
            if run.faults:
                remarks.append(f"{result.label}, round {number}: INVALID: {_summary(run.faults)}")
            remarks += [f"{result.label}, round {number}: {note}" for note in run.notes]
    return remarks


def _load(results: Sequence[Result]) -> str:
    loads = [run.load_average for result in results for run in result.runs]
    return f"Load average before each run: {min(loads):.1f} to {max(loads):.1f}."


def _summary(faults: Sequence[str]) -> str:
    more = len(faults) - _NAMED
    names = "; ".join(faults[:_NAMED])
    return f"{names}; and {more} more, {len(faults)} in all" if more > 0 else names
