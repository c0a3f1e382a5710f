"""Every indicator once more, written from its definition in plain loops: slow, and sharing nothing with the code.

Candles are (open time in ns, high, low, close, volume). A list has one entry per candle, None where nothing is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log10, sqrt

Row = tuple[int, float, float, float, float]
Values = list[float | None]

DAY_NS = 86_400 * 10**9


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def sma(values: Sequence[float], period: int) -> Values:
    return [mean(values[i - period + 1 : i + 1]) if i >= period - 1 else None for i in range(len(values))]


def ema(values: Sequence[float], period: int, first: int | None = None) -> Values:
    """The simple mean of the `period` values up to `first` begins it, then each value weighs 2 / (period + 1)."""
    first = period - 1 if first is None else first
    out: Values = [None] * len(values)
    for i in range(first, len(values)):
        before = out[i - 1] if i > first else None
        if before is None:
            out[i] = mean(values[i - period + 1 : i + 1])
        else:
            out[i] = before + (values[i] - before) * 2 / (period + 1)
    return out


def wilder(values: Sequence[float], period: int, first: int) -> Values:
    """The same with a weight of 1 / period."""
    out: Values = [None] * len(values)
    for i in range(first, len(values)):
        before = out[i - 1] if i > first else None
        if before is None:
            out[i] = mean(values[i - period + 1 : i + 1])
        else:
            out[i] = (before * (period - 1) + values[i]) / period
    return out


def true_ranges(rows: Sequence[Row]) -> list[float]:
    """The first candle has none: it counts as 0 and must not be used."""
    ranges = [0.0]
    for (_, _, _, before, _), (_, high, low, _, _) in pairwise(rows):
        ranges.append(max(high - low, abs(high - before), abs(low - before)))
    return ranges


def rsi(closes: Sequence[float], period: int) -> Values:
    """Wilder's, without any rule for a market that stands still: None where neither gains nor losses are."""
    ups = [0.0] + [max(b - a, 0.0) for a, b in pairwise(closes)]
    downs = [0.0] + [max(a - b, 0.0) for a, b in pairwise(closes)]
    gains, losses = wilder(ups, period, period), wilder(downs, period, period)
    out: Values = []
    for gain, loss in zip(gains, losses, strict=True):
        known = gain is not None and loss is not None and gain + loss > 0
        out.append(100 * gain / (gain + loss) if known else None)  # type: ignore[operator]
    return out


def stochastic(values: Values, window: int, k: int, d: int) -> tuple[Values, Values]:
    """%K and %D of a series whose unknown values all come first."""

    def smooth(series: Values, period: int) -> Values:
        out: Values = []
        for i in range(len(series)):
            part = [value for value in series[max(0, i - period + 1) : i + 1] if value is not None]
            out.append(mean(part) if len(part) == period else None)
        return out

    raw: Values = []
    for i, value in enumerate(values):
        part = [each for each in values[max(0, i - window + 1) : i + 1] if each is not None]
        if len(part) < window or value is None:
            raw.append(None)
        else:
            low, high = min(part), max(part)
            raw.append((value - low) / (high - low) * 100 if high - low > 1e-9 else 50.0)
    line = smooth(raw, k)
    return line, smooth(line, d)


def macd(closes: Sequence[float], fast: int, slow: int, signal: int) -> tuple[Values, Values, Values]:
    """Both averages begin on the same candle; all three lines are told from the first signal on."""
    quick, late = ema(closes, fast, slow - 1), ema(closes, slow)
    line = [a - b for a, b in zip(quick[slow - 1 :], late[slow - 1 :], strict=True)]  # type: ignore[operator]
    average = ema(line, signal)
    start = slow + signal - 2
    lines: Values = [None] * start
    signals: Values = [None] * start
    histogram: Values = [None] * start
    for value, smoothed in zip(line[signal - 1 :], average[signal - 1 :], strict=True):
        assert smoothed is not None
        lines.append(value)
        signals.append(smoothed)
        histogram.append(value - smoothed)
    return lines, signals, histogram


def adx(rows: Sequence[Row], period: int) -> Values:
    """Wilder's book: sums of the first `period` ranges and movements, smoothed; the mean of `period` DX begins it."""
    plus, minus = [0.0], [0.0]
    for (_, high0, low0, _, _), (_, high, low, _, _) in pairwise(rows):
        up, down = high - high0, low0 - low
        plus.append(up if up > down and up > 0 else 0.0)
        minus.append(down if down > up and down > 0 else 0.0)
    ranges = true_ranges(rows)
    smooth = [wilder(each, period, period) for each in (plus, minus, ranges)]
    dx: list[float] = []
    for up_move, down_move, span in zip(*(each[period:] for each in smooth), strict=True):
        assert up_move is not None and down_move is not None and span is not None
        both = up_move + down_move
        dx.append(100 * abs(up_move - down_move) / both if both else 0.0)
    return [None] * period + wilder(dx, period, period - 1)


def bands(closes: Sequence[float], period: int, deviations: float) -> tuple[Values, Values, Values]:
    upper: Values = []
    middle: Values = []
    lower: Values = []
    for i in range(len(closes)):
        if i < period - 1:
            for line in (upper, middle, lower):
                line.append(None)
            continue
        part = closes[i - period + 1 : i + 1]
        centre = mean(part)
        width = deviations * sqrt(mean([(value - centre) ** 2 for value in part]))
        upper.append(centre + width)
        middle.append(centre)
        lower.append(centre - width)
    return upper, middle, lower


def keltner(rows: Sequence[Row], period: int, atr_period: int, multiple: float) -> tuple[Values, Values, Values]:
    """Average and true range both begin with candle number max(period, atr_period + 1)."""
    first = max(period - 1, atr_period)
    typical = [(high + low + close) / 3 for _, high, low, close, _ in rows]
    middle, spread = ema(typical, period, first), wilder(true_ranges(rows), atr_period, first)
    upper: Values = [None if c is None or s is None else c + multiple * s for c, s in zip(middle, spread, strict=True)]
    lower: Values = [None if c is None or s is None else c - multiple * s for c, s in zip(middle, spread, strict=True)]
    return upper, middle, lower


def choppiness(rows: Sequence[Row], period: int) -> Values:
    ranges = true_ranges(rows)
    out: Values = []
    for i in range(len(rows)):
        part = rows[max(0, i - period + 1) : i + 1]
        span = max(row[1] for row in part) - min(row[2] for row in part)
        way = sum(ranges[max(0, i - period + 1) : i + 1])
        out.append(100 * log10(way / span) / log10(period) if i >= period and span > 0 else None)
    return out


def supertrend(rows: Sequence[Row], period: int, multiple: float) -> tuple[Values, Values]:
    """Bands around the middle of each candle only tighten while the market stays between them; it begins above."""
    atr = wilder(true_ranges(rows), period, period)
    line: Values = [None] * min(period, len(rows))
    side: Values = [None] * min(period, len(rows))
    upper = lower = 0.0
    direction = 1
    for i in range(period, len(rows)):
        _, high, low, close, _ = rows[i]
        spread = atr[i]
        assert spread is not None
        new_upper, new_lower = (high + low) / 2 + multiple * spread, (high + low) / 2 - multiple * spread
        if i == period:
            upper, lower = new_upper, new_lower
        else:
            before = rows[i - 1][3]
            upper = new_upper if new_upper < upper or before > upper else upper
            lower = new_lower if new_lower > lower or before < lower else lower
            if direction == 1 and close < lower:
                direction = -1
            elif direction == -1 and close > upper:
                direction = 1
        line.append(lower if direction == 1 else upper)
        side.append(float(direction))
    return line, side


def vwap(rows: Sequence[Row], length_ns: int) -> Values:
    out: Values = []
    for i, (time_ns, *_) in enumerate(rows):
        today = [row for row in rows[max(0, i - DAY_NS // length_ns) : i + 1] if row[0] // DAY_NS == time_ns // DAY_NS]
        volume = sum(row[4] for row in today)
        if today[0][0] % DAY_NS or not volume:
            out.append(None)
        else:
            out.append(sum((high + low + close) / 3 * v for _, high, low, close, v in today) / volume)
    return out


def obv(rows: Sequence[Row]) -> Values:
    total, out = rows[0][4], [rows[0][4]]
    for (_, _, _, before, _), (_, _, _, close, volume) in pairwise(rows):
        total += volume if close > before else -volume if close < before else 0.0
        out.append(total)
    return list(out)


def everything(rows: Sequence[Row], length_ns: int) -> dict[str, Values]:
    """All indicators with the default settings, but for the neutral 50 of an RSI that stands still."""
    closes = [close for _, _, _, close, _ in rows]
    found: dict[str, Values] = {f"ema_{n}": ema(closes, n) for n in (9, 21, 50, 200)}
    found |= {f"sma_{n}": sma(closes, n) for n in (20, 50, 200)}
    found["rsi"] = rsi(closes, 14)
    found["stochastic_rsi_k"], found["stochastic_rsi_d"] = stochastic(found["rsi"], 14, 3, 3)
    found["macd"], found["macd_signal"], found["macd_histogram"] = macd(closes, 12, 26, 9)
    found["atr"] = wilder(true_ranges(rows), 14, 14)
    found["adx"] = adx(rows, 14)
    upper, middle, lower = bands(closes, 20, 2)
    found |= {"bollinger_upper": upper, "bollinger_middle": middle, "bollinger_lower": lower}
    found["bollinger_width_pct"], found["bollinger_position"], found["squeeze"] = [], [], []
    above, centre, below = keltner(rows, 20, 10, 2.0)
    found |= {"keltner_upper": above, "keltner_middle": centre, "keltner_lower": below}
    near, _, under = keltner(rows, 20, 10, 1.5)
    for close, high, mid, low, top, bottom in zip(closes, upper, middle, lower, near, under, strict=True):
        if high is None or mid is None or low is None or top is None or bottom is None:
            for name in ("bollinger_width_pct", "bollinger_position", "squeeze"):
                found[name].append(None)
            continue
        found["bollinger_width_pct"].append((high - low) / mid * 100)
        found["bollinger_position"].append((close - low) / (high - low) if high > low else 0.5)
        flat = high == low and top == bottom
        found["squeeze"].append(None if flat else float(high < top and low > bottom))
    found["choppiness"] = choppiness(rows, 14)
    found["supertrend"], found["supertrend_direction"] = supertrend(rows, 10, 3)
    found["roc_pct"] = [(close / closes[i - 10] - 1) * 100 if i >= 10 else None for i, close in enumerate(closes)]
    found["vwap"] = vwap(rows, length_ns)
    found["obv"] = obv(rows)
    found["volume_ratio"] = []
    for i, (*_, volume) in enumerate(rows):
        usual = mean([row[4] for row in rows[max(0, i - 19) : i + 1]])
        found["volume_ratio"].append(volume / usual if i >= 19 and usual else None)
    return found
