"""A small writer of SVG charts over logical time: lines, steps, bars, and areas, with axes that fit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS

WIDTH, HEIGHT = 960, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 28, 56, 36
TICKS = 5
HOURS_BETWEEN_LABELS = (1, 2, 3, 6, 12, 24, 48, 168)
LABELS_MAX = 14
GAP_SHARE = 0.2  # of the time that a group of bars stands for
STYLE = """
svg { font: 12px system-ui, sans-serif; background: #fff; }
.title { font-size: 16px; font-weight: 600; fill: #14213d; } .unit, .tick { fill: #5c677d; }
.grid { stroke: #e4e8ef; } .zero { stroke: #98a2b3; } .key { fill: #14213d; }
@media (prefers-color-scheme: dark) {
svg { background: #11151c; } .title, .key { fill: #e6eaf2; } .unit, .tick { fill: #9aa5b8; }
.grid { stroke: #232a36; } .zero { stroke: #586377; } }
"""

Points = Sequence[tuple[int, float | None]]


@dataclass(frozen=True)
class Series:
    """One quantity over time.

    Parameters
    ----------
    name, colour : str
    points : sequence of (time_ns, value)
        A value of None leaves a gap.
    shape : "line", "step", "bar" or "area"
        A step or a bar holds from its time for `hold_ns`. Bars of several series stand side by side.
    """

    name: str
    colour: str
    points: Points
    shape: str = "line"
    hold_ns: int = HOUR_NS
    dash: str = ""


@dataclass
class Chart:
    """A chart; :meth:`svg` draws it."""

    title: str
    unit: str
    series: list[Series] = field(default_factory=list)

    def svg(self) -> str:
        """Return the picture as a document of its own."""
        drawn = [s for s in self.series if any(value is not None for _, value in s.points)]
        values = [value for s in drawn for _, value in s.points if value is not None]
        times = [time for s in drawn for time, _ in s.points]
        times += [time + s.hold_ns for s in drawn if s.shape in ("step", "bar") for time, _ in s.points]
        low, high = (min([0.0, *values]), max([0.0, *values])) if values else (0.0, 1.0)
        frame = Frame(
            min(times, default=0), max(times, default=HOUR_NS), low, high if high > low else low + 1
        )
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            f"<title>{escape(self.title)}</title><style>{STYLE}</style>",
            f'<text class="title" x="{LEFT}" y="22">{escape(self.title)}</text>',
            f'<text class="unit" x="{LEFT}" y="42">{escape(self.unit)}</text>',
            *frame.axes(),
            *frame.shapes(drawn),
            *_keys(drawn),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"


class Frame:
    """Where times and values lie in the picture."""

    def __init__(self, first_ns: int, last_ns: int, low: float, high: float) -> None:
        self.first_ns, self.last_ns = first_ns, max(last_ns, first_ns + 1)
        self.step = _round_step((high - low) / TICKS)
        self.low = math.floor(low / self.step) * self.step
        self.high = math.ceil(high / self.step) * self.step

    def x(self, time_ns: int) -> float:
        """Return where a time lies."""
        share = (time_ns - self.first_ns) / (self.last_ns - self.first_ns)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Return where a value lies."""
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    def axes(self) -> list[str]:
        """Return the grid and its labels."""
        parts = []
        for n in range(round((self.high - self.low) / self.step) + 1):
            value = self.low + n * self.step
            y = self.y(value)
            kind = "zero" if abs(value) < self.step / 1e6 else "grid"
            parts.append(f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
            parts.append(f'<text class="tick" text-anchor="end" x="{LEFT - 8}" y="{y + 4}">{value:g}</text>')
        return parts + self._time_labels()

    def shapes(self, drawn: Sequence[Series]) -> list[str]:
        """Return the series, drawn."""
        bars = [series for series in drawn if series.shape == "bar"]
        return [
            self._bars(series, bars.index(series), len(bars)) if series.shape == "bar" else self._line(series)
            for series in drawn
        ]

    def _line(self, series: Series) -> str:
        runs = [[(self.x(t), self.y(v)) for t, v in run] for run in _runs(series)]
        path = " ".join("M" + " L".join(f"{x} {y}" for x, y in run) for run in runs)
        dash = f' stroke-dasharray="{series.dash}"' if series.dash else ""
        line = (
            f'<path d="{path}" fill="none" stroke="{series.colour}" stroke-width="2" '
            f'stroke-linejoin="round"{dash}/>'
        )
        if series.shape != "area":
            return line
        zero = self.y(0.0)
        below = " ".join(
            f"M{run[0][0]} {zero} L" + " L".join(f"{x} {y}" for x, y in run) + f" L{run[-1][0]} {zero} Z"
            for run in runs
        )
        return f'<path d="{below}" fill="{series.colour}" fill-opacity="0.3"/>{line}'

    def _bars(self, series: Series, place: int, count: int) -> str:
        zero, parts = self.y(0.0), []
        for time_ns, value in series.points:
            if value:
                x, y = self.x(time_ns), self.y(value)
                whole = self.x(time_ns + series.hold_ns) - x
                gap = max(1.0, whole * GAP_SHARE if count > 1 else 0.0)  # groups of bars stand apart
                width = max(1.0, (whole - gap) / count)
                parts.append(
                    f'<rect x="{x + place * width:.1f}" y="{min(y, zero)}" width="{width:.1f}" '
                    f'height="{abs(zero - y):.1f}"/>'
                )
        return f'<g fill="{series.colour}" fill-opacity="0.85">{"".join(parts)}</g>'

    def _time_labels(self) -> list[str]:
        hours = (self.last_ns - self.first_ns) / HOUR_NS
        step_ns = HOUR_NS * next((h for h in HOURS_BETWEEN_LABELS if hours / h <= LABELS_MAX), 720)
        parts, time_ns = [], -(-self.first_ns // step_ns) * step_ns
        while time_ns <= self.last_ns:
            when = datetime.fromtimestamp(time_ns / SECOND_NS, UTC)
            is_day_begin = when.hour == 0 and self.last_ns >= 24 * HOUR_NS  # else these are times of any day
            text = f"{when:%d %b}" if is_day_begin else f"{when:%H:%M}"
            x, y = self.x(time_ns), HEIGHT - BOTTOM + 18
            parts.append(f'<text class="tick" text-anchor="middle" x="{x}" y="{y}">{text}</text>')
            time_ns += step_ns
        return parts


def _runs(series: Series) -> list[list[tuple[int, float]]]:
    """Return the points between gaps, steps drawn out."""
    runs: list[list[tuple[int, float]]] = [[]]
    for time_ns, value in series.points:
        if value is None:
            runs.append([])
            continue
        runs[-1].append((time_ns, value))
        if series.shape == "step":
            runs[-1].append((time_ns + series.hold_ns, value))
    return [run for run in runs if run]


def _keys(drawn: Sequence[Series]) -> list[str]:
    parts, x = [], WIDTH - RIGHT
    for series in reversed(drawn):
        x -= 42 + round(7.2 * len(series.name))
        if series.shape in ("bar", "area"):
            parts.append(f'<rect x="{x + 6}" y="33" width="12" height="9" rx="2" fill="{series.colour}"/>')
        else:
            dash = f' stroke-dasharray="{series.dash}"' if series.dash else ""
            parts.append(f'<path d="M{x} 38 h18" stroke="{series.colour}" stroke-width="2"{dash}/>')
        parts.append(f'<text class="key" x="{x + 24}" y="42">{escape(series.name)}</text>')
    return parts


def _round_step(rough: float) -> float:
    """Return the 1, 2 or 5 times a power of ten that is next above."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= rough * 0.999)
