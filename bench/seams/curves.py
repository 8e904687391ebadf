"""Bjøntegaard's difference of rate between two curves, by monotone cubic pieces (PCHIP)."""
import math


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def _slopes(x, y):
    """Fritsch and Carlson's slopes: no overshoot between the points."""
    step = [b - a for a, b in zip(x, x[1:])]
    rise = [(b - a) / s for a, b, s in zip(y, y[1:], step)]
    slopes = [rise[0]]
    for left, right, a, b in zip(rise, rise[1:], step, step[1:]):
        if left * right <= 0:
            slopes.append(0.0)
        else:
            slopes.append(3 * (a + b) / ((2 * b + a) / left + (b + 2 * a) / right))
    return slopes + [rise[-1]]


def _at(x, y, slopes, where):
    i = max(k for k in range(len(x) - 1) if k == 0 or x[k] <= where)
    h = x[i + 1] - x[i]
    t = (where - x[i]) / h
    return (y[i] * (1 + 2 * t) * (1 - t) ** 2 + h * slopes[i] * t * (1 - t) ** 2
            + y[i + 1] * t * t * (3 - 2 * t) + h * slopes[i + 1] * t * t * (t - 1))


def bd_rate(rows, metric):
    """Percent of bytes that ours needs more than the twin for equal quality."""
    curves = []
    for side in ("", "twin_"):
        points = sorted((row[side + metric], math.log(row[side + "bytes"])) for row in rows)
        x, y = [p[0] for p in points], [p[1] for p in points]
        curves.append((x, y, _slopes(x, y)))
    low, high = max(c[0][0] for c in curves), min(c[0][-1] for c in curves)
    if high <= low:
        return math.nan
    steps = 2000
    places = [low + (high - low) * (k + 0.5) / steps for k in range(steps)]
    ours, twin = (mean(_at(*curve, place) for place in places) for curve in curves)
    return (math.exp(ours - twin) - 1) * 100


def pooled(rows):
    """One row for each CRF over all rungs: bytes per picture element and quality per rung, averaged
    geometrically and arithmetically, so that a large rung does not drown the others."""
    result = []
    for crf in sorted({row["crf"] for row in rows}):
        mine = [row for row in rows if row["crf"] == crf]
        entry = {}
        for side in ("", "twin_"):
            entry[side + "bytes"] = math.exp(mean(math.log(r[side + "bytes"]) for r in mine))
            for metric in ("vmaf", "psnr"):
                entry[side + metric] = mean(r[side + metric] for r in mine)
        result.append(entry)
    return result
