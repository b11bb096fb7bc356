"""Throughput by clients as an SVG, readable on light and dark paper alike."""

from html import escape

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 56, 48
COLOURS = {"service": "#2563eb", "pgbench": "#d97706"}
LABELS = {"service": "place_hold, the service (Python)", "pgbench": "the same function, pgbench"}
STEPS = (1, 2, 5)


def throughput_svg(series: dict[str, dict[int, float]], *, caption: str) -> str:
    """Return a line chart: clients (each twice the one before) across, holds a second up."""
    counts = sorted({count for points in series.values() for count in points})
    most = max(speed for points in series.values() for speed in points.values())
    step = _step(most)
    top = step * -(-most // step)

    def x(count: int) -> float:
        return LEFT + counts.index(count) * (WIDTH - LEFT - RIGHT) / max(len(counts) - 1, 1)

    def y(speed: float) -> float:
        return TOP + (1 - speed / top) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="12">',
        "<title>Holds a second by number of clients</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="22" font-size="14" fill="#111827">Holds a second by number of clients</text>',
    ]
    level = 0.0
    while level <= top:
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level):.1f}" y2="{y(level):.1f}" stroke="#e5e7eb"/>'
            f'<text x="{LEFT - 8}" y="{y(level) + 4:.1f}" text-anchor="end" fill="#4b5563">{level:,.0f}</text>'
        )
        level += step
    for count in counts:
        parts.append(
            f'<text x="{x(count):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#4b5563">{count}</text>'
        )
    for place, (kind, points) in enumerate(series.items()):
        colour = COLOURS[kind]
        line = " ".join(f"{x(count):.1f},{y(points[count]):.1f}" for count in counts if count in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x(count):.1f}" cy="{y(speed):.1f}" r="3.5" fill="{colour}">'
            f"<title>{count} clients: {speed:,.0f} a second</title></circle>"
            for count, speed in points.items()
        ]
        parts.append(
            f'<circle cx="{LEFT + 4 + place * 260}" cy="38" r="4" fill="{colour}"/>'
            f'<text x="{LEFT + 14 + place * 260}" y="42" fill="#111827">{escape(LABELS[kind])}</text>'
        )
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 10}" text-anchor="end" fill="#4b5563">{escape(caption)}</text>'
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _step(most: float) -> float:
    """Return a round distance that divides the axis into five or so."""
    power = 1.0
    while True:
        for digit in STEPS:
            if most / (digit * power) <= 6:
                return digit * power
        power *= 10
