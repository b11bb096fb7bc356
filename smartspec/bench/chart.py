"""Growth by number of clients as an SVG, readable on light and dark paper alike."""

from html import escape

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, BOTTOM = 64, 24, 48
COLOURS = ("#2563eb", "#d97706", "#059669", "#7c3aed", "#dc2626", "#0891b2")
STEPS = (1, 2, 5)
LEGEND_TOP, LEGEND_ROW = 42, 18


def growth_svg(series: dict[str, dict[int, float]], *, title: str, caption: str) -> str:
    """Return a line chart with a line for each series: numbers of clients across, at equal distances; values up.

    `caption` begins with what is counted across.
    """
    counts = sorted({count for points in series.values() for count in points})
    most = max(value for points in series.values() for value in points.values())
    step = _step(most)
    highest = step * -(-most // step)
    columns = 2 if len(series) <= 2 else 3
    width = (WIDTH - LEFT - RIGHT) / columns
    top = LEGEND_TOP + LEGEND_ROW * -(-len(series) // columns) - 4

    def x(count: int) -> float:
        return LEFT + counts.index(count) * (WIDTH - LEFT - RIGHT) / max(len(counts) - 1, 1)

    def y(value: float) -> float:
        return top + (1 - value / highest) * (HEIGHT - top - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="22" font-size="14" fill="#111827">{escape(title)}</text>',
    ]
    level = 0.0
    while level <= highest:
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level):.1f}" y2="{y(level):.1f}" stroke="#e5e7eb"/>'
            f'<text x="{LEFT - 8}" y="{y(level) + 4:.1f}" text-anchor="end" fill="#4b5563">{level:,.0f}</text>'
        )
        level += step
    for count in counts:
        parts.append(
            f'<text x="{x(count):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#4b5563">{count}</text>'
        )
    for place, (label, points) in enumerate(series.items()):
        colour = COLOURS[place % len(COLOURS)]
        line = " ".join(f"{x(count):.1f},{y(points[count]):.1f}" for count in counts if count in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x(count):.1f}" cy="{y(value):.1f}" r="3.5" fill="{colour}">'
            f"<title>{escape(label)}, {count}: {value:,.0f}</title></circle>"
            for count, value in points.items()
        ]
        legend_x = LEFT + 4 + place % columns * width
        legend_y = LEGEND_TOP + place // columns * LEGEND_ROW
        parts.append(
            f'<circle cx="{legend_x:.0f}" cy="{legend_y - 4}" r="4" fill="{colour}"/>'
            f'<text x="{legend_x + 10:.0f}" y="{legend_y}" fill="#111827">{escape(label)}</text>'
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
