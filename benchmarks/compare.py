"""Compare the websocket server of ywire with others, in what people do with such servers.

Each scenario runs against all servers in turn, then again, in several rounds; each run has a new
server, a process of its own, and a new load generator, another one. Figures are the medians of the
rounds; in brackets is the ratio to one of the servers, the median of those of each round. A run in
which a client lacks anything that was written is INVALID and says so: its figures do not count.

A delivery is one edit that reached one reader, in however few messages. CPU is that of all threads
of the server's processes. Memory is by how much they grew at most. "load" is the load generator:
its own CPU, and for how much of the time it was busy; near 100 % it may be what was slow.

The load generator of our zmq and memory wires is a slower one: its clients are those of ycore. The
memory wire's server runs in it: its CPU and memory are those of all together.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from importlib.metadata import version
from os import cpu_count, getloadavg
from pathlib import Path
from typing import Any

import anyio

# Neither the benchmarks nor the examples are an installed package.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from benchmarks.load.running import TIMEOUT, measure, raise_file_limit
from benchmarks.load.scenarios import SCENARIOS
from benchmarks.load.scenarios.sizes import CURVES
from benchmarks.load.servers import WIRES, install
from benchmarks.peers import PEERS, InstallError
from benchmarks.report.plots import PlotError, check_plots, plot
from benchmarks.report.results import Comparison, Result, write_json
from benchmarks.report.tables import render

BASE = "ywire"
SIZE = "size"
ROUNDS = 3


def main() -> int:
    """Run the benchmark and return its exit code: 1 if a run was invalid."""
    options = _parse()
    raise_file_limit()
    comparisons = _plan(options)
    try:
        if options.plot:
            check_plots()
        for name in dict.fromkeys(result.peer for each in comparisons for result in each.results):
            install(name)
    except (InstallError, PlotError) as exc:
        print(exc, file=sys.stderr)
        return 1
    environment = _environment()
    print(", ".join(f"{name} {value}" for name, value in environment.items()), flush=True)
    for comparison in comparisons:
        anyio.run(measure, comparison, options.rounds, options.timeout)
        print(f"\n{comparison.title}\n\n{render(comparison, options.base)}", flush=True)
        if options.json:
            # Each time: what is measured is not lost with what is not.
            write_json(options.json, environment, comparisons)
    if options.plot:
        plot(comparisons, options.plot, options.base)
    return any(run.faults for each in comparisons for result in each.results for run in result.runs)


def _plan(options: argparse.Namespace) -> list[Comparison]:
    plan: list[Comparison] = []
    for name in options.scenarios:
        plan += _curves(options) if name == SIZE else [_comparison(name, options)]
    return plan


def _comparison(name: str, options: argparse.Namespace) -> Comparison:
    scenario = SCENARIOS[name]
    given = {**_scaled(name, options.scale), **options.set.get(name, {})}
    if name == "trace":
        given["trace"] = options.trace
    told = ", ".join(f"{key} {value}" for key, value in vars(scenario(**given)).items())
    results = [Result(peer, peer, name, given) for peer in options.peers]
    return Comparison(name, f"{scenario.title} ({told}).", scenario.columns, results)


def _curves(options: argparse.Namespace) -> Iterable[Comparison]:
    for name, curve in CURVES.items():
        results = [
            Result(f"{step[curve.axis]:,}", options.base, curve.scenario, step)
            for step in curve.steps
        ]
        columns = SCENARIOS[curve.scenario].columns
        title = f"{curve.title} ({options.base})."
        yield Comparison(f"{SIZE}-{name}", title, columns, results, curve.axis)


def _scaled(scenario: str, scale: float) -> dict[str, Any]:
    if scale == 1:
        return {}
    return {
        name: _like(default, default * scale)
        for name, default, metadata in _options(scenario)
        if metadata["scales"]
    }


def _like(default: Any, value: Any) -> Any:
    return max(1, int(value)) if isinstance(default, int) else type(default)(value)


def _options(scenario: str) -> Iterable[tuple[str, Any, Mapping[str, Any]]]:
    for field in fields(SCENARIOS[scenario]):
        yield field.name, field.default, field.metadata


def _environment() -> dict[str, str]:
    packages = ["ycore", "pycrdt", "aiohttp"]
    return {
        "python": platform.python_version(),
        "cores": str(cpu_count()),
        "load before": f"{getloadavg()[0]:.1f}",
        **{package: version(package) for package in packages},
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=_help_of_scenarios(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--scenarios", type=_names([*SCENARIOS, SIZE]), help="which, with commas between (all)")
    servers = [*PEERS, *WIRES]
    add("--peers", type=_names(servers), default=servers, help=f"of {', '.join(servers)} (all)")
    add("--base", choices=list(PEERS), default=BASE, help=f"whom ratios are to ({BASE})")
    add("--rounds", type=int, default=ROUNDS, help=f"how often each runs ({ROUNDS})")
    add("--scale", type=float, default=1.0, help="edits, seconds, joiners, connections: times this")
    add(
        "--set",
        type=_setting,
        action="append",
        default=[],
        metavar="SCENARIO.OPTION=VALUE",
        help="another value for one of the options below; may be given several times",
    )
    add("--trace", help="a recording of one writer: a file, or a name as in ../shared/data")
    add("--timeout", type=float, default=TIMEOUT, help=f"seconds for one run ({TIMEOUT:g})")
    add("--json", type=Path, metavar="FILE", help="where to write everything to")
    add("--plot", type=Path, metavar="FOLDER", help="where to draw to: PNG and SVG")
    options = parser.parse_args()
    if options.scenarios is None:
        others = [name for name in SCENARIOS if name != "trace"]
        options.scenarios = [*others, *(["trace"] if options.trace else [])]
    if "trace" in options.scenarios and not options.trace:
        parser.error("the scenario trace needs --trace")
    if options.trace and not options.trace.isalnum():
        # The load generator runs elsewhere.
        options.trace = str(Path(options.trace).resolve())
    settings: dict[str, dict[str, Any]] = {}
    for scenario, name, value in options.set:
        settings.setdefault(scenario, {})[name] = value
    options.set = settings
    return options


def _names(known: list[str]) -> Any:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return names

    return parse


def _setting(text: str) -> tuple[str, str, Any]:
    path, _, value = text.partition("=")
    scenario, _, name = path.partition(".")
    for known, default, _ in _options(scenario) if scenario in SCENARIOS else ():
        if known == name:
            with suppress(ValueError):
                return scenario, name, _like(default, value)
    raise argparse.ArgumentTypeError(f"{text!r} sets no option of a scenario")


def _help_of_scenarios() -> str:
    lines = ["scenarios and their options:"]
    for name, scenario in SCENARIOS.items():
        lines.append(f"  {name}: {scenario.__doc__}")
        lines += [
            f"    {name}.{option}={default}: {metadata['help']}"
            for option, default, metadata in _options(name)
        ]
    lines += [f"  {SIZE}: how the cost of the base grows; not among all, if none are named"]
    lines += [f"    {curve.title}" for curve in CURVES.values()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
