"""The table of the figures, and what is aimed at."""

from statistics import median

ROWS = (
    ("window_1", "messages/s, window 1", lambda v: f"{v:,.0f}"),
    ("window_16", "messages/s, window 16", lambda v: f"{v:,.0f}"),
    ("p50", "p50 at {rate:,}/s", lambda v: f"{v * 1e3:.2f} ms"),
    ("p99", "p99 at {rate:,}/s", lambda v: f"{v * 1e3:.2f} ms"),
    ("idle", "memory of an idle session", lambda v: f"{v / 1024:.1f} KiB"),
    ("connects", "connects/s with a token", lambda v: f"{v:,.0f}"),
)

# The figure, who it is compared with, and the ratio to reach: at least, or at most.
AIMS = (
    ("window_1", "seed", ">=", 6),
    ("window_1", "ejabberd", ">=", 6),
    ("window_16", "seed", ">=", 40),
    ("p50", "seed", "<=", 0.8),
    ("idle", None, "<=", 8 * 1024),
    ("idle", "seed", "<=", 1 / 7),
    ("connects", "relay", ">=", 3),
)


def medians(rounds):
    """{peer: {figure: the median over the rounds}}; what failed in all rounds is missing."""
    result = {}
    for name in {name for one in rounds for name in one}:
        figures = [one[name] for one in rounds if name in one]
        result[name] = {key: median(one[key] for one in figures) for key in figures[0]}
    return result


def spread(rounds, name, key):
    """How far the rounds are apart, as a share of the median."""
    values = [one[name][key] for one in rounds if name in one]
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def table(rounds, peers, load):
    """The medians as a Markdown table, and in brackets how far the rounds are apart."""
    middle = medians(rounds)
    known = [name for name in peers if name in middle]
    lines = ["| | " + " | ".join(known) + " |", "|---|" + "---:|" * len(known)]
    for key, label, show in ROWS:
        cells = []
        for name in known:
            apart = f" (±{50 * spread(rounds, name, key):.0f} %)" if len(rounds) > 1 else ""
            cells.append(show(middle[name][key]) + apart)
        lines.append(f"| {label.format(rate=load.rate)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def aims(rounds):
    """Each aim with what was reached: as rows of a Markdown table, and as data."""
    middle = medians(rounds)
    labels = {key: label.split(",")[0].split(" at ")[0] for key, label, _ in ROWS}
    labels |= {"window_1": "window 1", "window_16": "window 16"}
    lines, data = ["| aim | reached | |", "|---|---:|---|"], []
    for key, other, relation, wanted in AIMS:
        if "confab" not in middle or (other and other not in middle):
            continue
        own = middle["confab"][key]
        value = own / middle[other][key] if other else own
        met = value >= wanted if relation == ">=" else value <= wanted
        sign = "≥" if relation == ">=" else "≤"
        if other:
            goal = "1/7" if wanted == 1 / 7 else f"{wanted:g}"
            text, reached = f"{labels[key]} {sign} {goal} × {other}", f"{value:.2f} ×"
        else:
            text, reached = f"{labels[key]} {sign} {wanted // 1024} KiB", f"{value / 1024:.1f} KiB"
        lines.append(f"| {text} | {reached} | {'met' if met else 'missed'} |")
        data.append({"aim": text, "reached": value, "met": met})
    return "\n".join(lines), data
