"""From readings to results: medians over the rounds, a table, JSON, and a chart of throughput by clients."""

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from credits.bench.plan import CLIENT_COUNTS, MEASURES, Measure, Reading
from smartspec.bench.load import Throughput

Round = dict[str, Reading]
BAR_WIDTH = 44
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Result:
    """A measure's median over the rounds, its extremes, and whether it is good enough."""

    measure: Measure
    value: float | None
    low: float | None
    high: float | None
    verdict: str
    reason: str = ""


def results(rounds: list[Round], groups: set[str], missing: dict[str, str]) -> list[Result]:
    """Return the result of every measure of the groups. A ratio is taken inside each round, then the median of them."""
    return [result(measure, rounds, missing) for measure in MEASURES if measure.group in groups]


def result(measure: Measure, rounds: list[Round], missing: dict[str, str]) -> Result:
    """Return the result of one measure; `missing` says by group why something could not be measured."""
    values = [value for one in rounds if (value := _value(measure, one)) is not None]
    if not values:
        reason = missing.get(measure.group, "interrupted")
        return Result(measure, None, None, None, NOT_MEASURED, reason)
    value = median(values)
    return Result(measure, value, min(values), max(values), _verdict(measure, value))


def _value(measure: Measure, one: Round) -> float | None:
    if measure.reading not in one or (measure.over is not None and measure.over not in one):
        return None
    above = number(one[measure.reading])
    below = 1.0 if measure.over is None else number(one[measure.over])
    return above / below if below else None


def number(reading: Reading) -> float:
    """Return the operations a second, or the reading itself."""
    return reading.per_second if isinstance(reading, Throughput) else reading


def _verdict(measure: Measure, value: float) -> str:
    def reaches(limit: float) -> bool:
        return value <= limit if measure.at_most else value >= limit

    return "goal met" if reaches(measure.goal) else "must met" if reaches(measure.must) else "MISSED"


# --- For the terminal ---------------------------------------------------------------------------------------------


def table(found: list[Result]) -> str:
    """Return the results as lines."""
    width = max((len(result.measure.label) for result in found), default=0)
    lines = [f"{'measure':<{width}}  {'median':>9}  {'low – high':>15}  {'must':>7}  {'goal':>7}  "]
    for result in found:
        measure = result.measure
        sign = "≤" if measure.at_most else "≥"
        limits = f"{sign + plain(measure.must):>7}  {sign + plain(measure.goal):>7}"
        if result.value is None or result.low is None or result.high is None:
            lines.append(f"{measure.label:<{width}}  {'–':>9}  {'':>15}  {limits}  {NOT_MEASURED}: {result.reason}")
            continue
        spread = f"{plain(result.low)} – {plain(result.high)}"
        shown = plain(result.value) + measure.unit
        lines.append(f"{measure.label:<{width}}  {shown:>9}  {spread:>15}  {limits}  {result.verdict}")
    return "\n".join(lines)


def readings_table(rounds: list[Round]) -> str:
    """Return the median of each reading, with latencies and CPU time where they are known."""
    names = list(dict.fromkeys(name for one in rounds for name in one))
    lines = [f"{'reading':<18}{'median':>12}  {'p50 ms':>8}{'p99 ms':>9}{'client CPU µs':>15}{'server CPU µs':>15}"]
    for name in names:
        readings = [one[name] for one in rounds if name in one]
        speeds = [reading for reading in readings if isinstance(reading, Throughput)]
        if not speeds:
            lines.append(f"{name:<18}{plain(median(number(reading) for reading in readings)):>12}")
            continue
        columns = [median(getattr(speed, column) for speed in speeds) for column in ("p50_ms", "p99_ms")]
        columns += [median(getattr(speed, column) for speed in speeds) for column in ("client_cpu_us", "server_cpu_us")]
        p50, p99, client, server = (plain(column) if column else "–" for column in columns)
        rate = f"{median(speed.per_second for speed in speeds):,.0f}/s"
        lines.append(f"{name:<18}{rate:>12}  {p50:>8}{p99:>9}{client:>15}{server:>15}")
    return "\n".join(lines)


def plain(value: float) -> str:
    """Write a number with about three digits."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def by_clients(rounds: list[Round]) -> dict[str, dict[int, float]]:
    """Return holds a second by number of clients: of the service, and of pgbench on the same function."""
    series: dict[str, dict[int, float]] = {}
    for kind in ("service", "pgbench"):
        for count in CLIENT_COUNTS:
            speeds = [number(one[f"{kind} {count}"]) for one in rounds if f"{kind} {count}" in one]
            if speeds:
                series.setdefault(kind, {})[count] = median(speeds)
    return series


def bars(series: dict[str, dict[int, float]]) -> str:
    """Return throughput by clients as bars."""
    most = max((speed for points in series.values() for speed in points.values()), default=1)
    lines = ["holds a second, by clients"]
    for count in CLIENT_COUNTS:
        for kind, points in series.items():
            if count in points:
                bar = "█" * max(1, round(BAR_WIDTH * points[count] / most))
                lines.append(f"{count:>4}  {kind:<8}{bar} {points[count]:,.0f}")
    return "\n".join(lines)


# --- For other programs -------------------------------------------------------------------------------------------


def as_json(
    rounds: list[Round], found: list[Result], *, settings: dict[str, Any], server: dict[str, str], interrupted: bool
) -> dict[str, Any]:
    """Return everything that was seen."""
    return {
        "settings": settings,
        "server": server,
        "interrupted": interrupted,
        "measures": [
            {
                **asdict(result.measure),
                "value": result.value,
                "low": result.low,
                "high": result.high,
                "verdict": result.verdict,
                "reason": result.reason,
            }
            for result in found
        ],
        "throughput_by_clients": by_clients(rounds),
        "rounds": [
            {name: asdict(reading) if isinstance(reading, Throughput) else reading for name, reading in one.items()}
            for one in rounds
        ],
    }
