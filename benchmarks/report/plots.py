"""Draw what was measured; matplotlib is needed for that, and for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.load.outcome import Column
from benchmarks.report.results import Comparison, Result
from benchmarks.report.tables import format_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PlotError", "check_plots", "plot"]

_FORMATS = ("png", "svg")
_SIZE = (4.2, 2.6)
"""Of one figure, in inches."""

_OURS, _OTHERS, _RANGE = "#d1495b", "#7d8597", "#33333380"
_DPI = 150


class PlotError(Exception):
    """There is nothing to draw with."""


def check_plots() -> None:
    """Find out whether anything can be drawn: before hours of measuring.

    Raises:
        PlotError: matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot  # noqa: F401
    except ImportError as exc:
        raise PlotError("plots need matplotlib: uv sync --group benchmarks") from exc


def plot(comparisons: Sequence[Comparison], folder: Path, base: str) -> None:
    """Draw an image for each comparison, with a part for each of its figures.

    Args:
        comparisons: What was measured.
        folder: Where to write the images to; made if it is not there.
        base: The server to stand out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for comparison in comparisons:
        _draw(comparison, folder / comparison.name, base)


def _draw(comparison: Comparison, file: Path, base: str) -> None:
    from matplotlib import pyplot

    columns = [column for column in comparison.columns if column.is_compared]
    figure, axes = pyplot.subplots(
        1, len(columns), squeeze=False, figsize=(_SIZE[0] * len(columns), _SIZE[1])
    )
    for column, part in zip(columns, axes[0], strict=True):
        if comparison.axis:
            _draw_curve(part, comparison, column)
        else:
            _draw_bars(part, comparison, column, base)
        part.set_title(column.title)
    figure.suptitle(comparison.title)
    figure.tight_layout()
    for suffix in _FORMATS:
        figure.savefig(file.with_suffix(f".{suffix}"), dpi=_DPI)
    pyplot.close(figure)


def _draw_bars(part: Axes, comparison: Comparison, column: Column, base: str) -> None:
    """Draw a bar for each server from zero on, which no logarithm has; numbers tell the small."""
    results = [result for result in reversed(comparison.results) if _values(result, column)]
    values = [_values(result, column) for result in results]
    medians = [median(each) for each in values]
    ranges = [
        [middle - min(each) for middle, each in zip(medians, values, strict=True)],
        [max(each) - middle for middle, each in zip(medians, values, strict=True)],
    ]
    labels = [result.label for result in results]
    colors = [_OURS if label == base else _OTHERS for label in labels]
    bars = part.barh(labels, medians, xerr=ranges, color=colors, ecolor=_RANGE)
    part.bar_label(bars, [format_number(value) for value in medians], padding=4)
    part.margins(x=0.25)
    part.spines[["top", "right"]].set_visible(False)


def _draw_curve(part: Axes, comparison: Comparison, column: Column) -> None:
    results = [result for result in comparison.results if _values(result, column)]
    sizes = [result.options[comparison.axis] for result in results]
    part.plot(sizes, [median(_values(result, column)) for result in results], "o-", color=_OURS)
    part.set_xscale("log")
    part.set_xlabel(comparison.axis)
    part.set_ylim(bottom=0)


def _values(result: Result, column: Column) -> list[float]:
    figures = (run.figures for run in result.valid)
    return [each[column.key] * column.scale for each in figures if column.key in each]
