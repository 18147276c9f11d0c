"""Whether a panel can be read: what Grafana would draw of what Prometheus answers."""

import math
import re

# The most lines or words of one panel that a reader tells apart.
READABLE = 12

# Panels whose share may be above 1: what is measured can be above its limit, and cores are several.
BEYOND = {"Measured against the limits", "CPU"}


def faults(panel, answers, values_of):
    """What is wrong with a panel. `answers` are pairs of a target and its series; `values_of(metric,
    label)` are the values of a label that there can be."""
    defaults = panel["fieldConfig"]["defaults"]
    if not panel.get("description", "").endswith("."):
        yield "no sentence says what to do with it"
    series = [one for _, found in answers for one in found]
    if len(series) > READABLE:
        yield f"{len(series)} lines"
    for target, found in answers:
        for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
            if any(not one["metric"].get(label) for one in found):
                yield f"a legend without {label}: {target['expr']}"
        if panel["type"] != "stat" and not target["legendFormat"]:
            yield f"no legend: {target['expr']}"
    numbers = [float(one["value"][1]) for one in series]
    yield from misfits(panel["title"], defaults["unit"], numbers)
    yield from unmapped(panel, numbers, values_of)


def misfits(title, unit, numbers):
    """Numbers that the unit would show wrongly."""
    most = {"percentunit": 1, "percent": 100}.get(unit, math.inf)
    for number in numbers:
        if number < 0 or (number > most * 1.000_001 and title not in BEYOND):
            yield f"{number} with the unit {unit}"


def unmapped(panel, numbers, values_of):
    """Words and colours that are missing for a value that there can be."""
    mappings = panel["fieldConfig"]["defaults"].get("mappings", [])
    known = {value: how["text"] for one in mappings if one["type"] == "value"
             for value, how in one["options"].items()}
    if known:
        yield from (f"no word for {number}" for number in numbers
                    if not math.isnan(number) and f"{number:g}" not in known)
    if panel["type"] == "stat" and not any(one["type"] == "special" for one in mappings):
        yield "no word for what is no number"
    [target, *_] = panel["targets"]
    metric = re.search(r"crossfade_\w+", target["expr"])
    coloured = {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
    if panel["type"] == "stat" and coloured:
        [label] = re.findall(r"{{(\w+)}}", target["legendFormat"])
        missing = values_of(metric.group(), label) ^ coloured
        yield from (f"no colour for {name}, or no such value" for name in sorted(missing))
    if panel["type"] == "state-timeline":
        missing = values_of(metric.group(), "state") ^ set(known.values())
        yield from (f"no band for {name}, or no such value" for name in sorted(missing))
