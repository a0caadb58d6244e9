"""Numbers as text: value and error with matching digits, axis names, units."""

import math

import numpy as np

AXES = ("x", "y", "z")
M2_PER_S = 1e-8  # of 1 A^2/ps
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def is_number(value):
    return value is not None and isinstance(value, (int, float, np.number)) and math.isfinite(value)


def plain(value, digits=3):
    """`digits` significant digits, powers of ten written out: 0.0205, 1.3 × 10⁻⁵, ∞."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if -4 <= magnitude < 6:
        return f"{value:.{max(digits - 1 - magnitude, 0)}f}".replace("-", "−")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")  # 9.96 rounds up to the next power
    return f"{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPT)}".replace("-", "−")


def exact(value):
    """A number that was given, not measured: 5, 0.05, 12.5."""
    return f"{value:.6g}".replace("-", "−")


def with_error(value, error, scale_from=1e-3):
    """`0.0205 ± 0.0007`: two digits of the error decide the digits of the value; small numbers share a power of ten."""
    if not is_number(value):
        return plain(value)
    if not is_number(error) or error <= 0:
        return plain(value)
    largest = max(abs(value), error)
    power = math.floor(math.log10(largest)) if largest < scale_from or largest >= 1e6 else 0
    value, error = value / 10.0**power, error / 10.0**power
    decimals = min(max(1 - math.floor(math.log10(error)), 0), 8)
    text = f"{value:.{decimals}f} ± {error:.{decimals}f}".replace("-", "−")
    return f"({text}) × 10{str(power).translate(SUPERSCRIPT)}" if power else text


def grouped(count):
    """1 234 567 with thin spaces; – and ∞ for what is no number."""
    if not is_number(count):
        return plain(count)
    return f"{int(round(count)):,}".replace(",", " ")


def percent(share, digits=1):
    if not is_number(share):
        return plain(share)
    return f"{100 * share:.{digits}f} %".replace("-", "−")


def duration(picoseconds):
    if not is_number(picoseconds):
        return plain(picoseconds)
    return f"{exact(picoseconds / 1000)} ns" if abs(picoseconds) >= 2000 else f"{exact(picoseconds)} ps"


def rounded_duration(picoseconds):
    """A measured time in three digits: 179 ps, 2.31 ns, 4.2 µs."""
    if not is_number(picoseconds):
        return plain(picoseconds)
    for unit, size in (("µs", 1e6), ("ns", 1e3)):
        if abs(picoseconds) >= 2 * size:
            return f"{plain(picoseconds / size)} {unit}"
    return f"{plain(picoseconds)} ps"


def student_t(degrees, level=0.95):
    """Half width, in standard errors, of the interval that holds the truth with that probability."""
    if degrees < 1:
        return math.inf
    # t = sqrt(degrees) tan(u): the density becomes cos(u)^(degrees - 1) on a finite interval
    u = np.linspace(0, math.pi / 2, 20001)
    density = np.cos(u) ** (degrees - 1)
    inside = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return math.sqrt(degrees) * math.tan(float(np.interp(level, inside / inside[-1], u)))


def joined(words):
    words = list(words)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def axis_lengths(*cells):
    """For x, y, z the length of the first cell vector that runs along it, or None: {"y": 7.898}."""
    found = {}
    for cell in cells:
        if cell is None:
            continue
        for vector in np.asarray(cell):
            length = np.linalg.norm(vector)
            axis = int(np.argmax(np.abs(vector)))
            if length > 0 and abs(vector[axis]) / length > 0.9999:
                found.setdefault(AXES[axis], float(length))
    return found
