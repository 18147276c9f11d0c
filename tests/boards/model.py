"""Dashboards against Grafana's own model of them (grafana-foundation-sdk, generated from its schema)."""

import json

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

# What Prometheus' data source reads of an annotation; the model leaves it to each source.
OF_PROMETHEUS = {"titleFormat", "textFormat", "step"}


def strangers(file):
    """What the dashboard in `file` says and the model does not know, each with its place."""
    register_default_plugins()
    said = json.loads(file.read_text())
    known = json.loads(json.dumps(Dashboard.from_json(said), cls=JSONEncoder))
    return list(differences(said, known, file.stem))


def differences(said, known, place):
    if isinstance(said, dict) and isinstance(known, dict):
        for key, value in said.items():
            if key in known:
                yield from differences(value, known[key], f"{place}.{key}")
            elif not (key in OF_PROMETHEUS and ".annotations." in place):
                yield f"{place}.{key}"
    elif isinstance(said, list) and isinstance(known, list) and len(said) == len(known):
        for number, pair in enumerate(zip(said, known)):
            yield from differences(*pair, f"{place}[{number}]")
    elif said != known:
        yield f"{place}: {said!r} is read as {known!r}"
