#!/usr/bin/env python3
"""Writes the two Grafana dashboards beside it.

    dashboards/build.py            write grafana/*.json
    dashboards/build.py --check    exit 1 if they are not what this script writes

Each panel is one call below: a title, what the reader should do with it, and its queries. Placing and
numbering happen here, so that a panel can be moved by moving a line. Only panel types that every
Grafana since 10 has are used, and no plug-in.
"""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent / "grafana"

SOURCE = {"type": "prometheus", "uid": "${source}"}
PICK = 'job=~"$job", instance=~"$instance"'

GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "#8e8e8e"
ARMS = {"bedrock": ORANGE, "original": BLUE}
STATES = {"steady": GREEN, "advancing": GREEN, "finished": GREEN, "waiting": BLUE, "paused": YELLOW,
          "rolled_back": RED}
BREAKER = {"closed": GREEN, "trial": YELLOW, "open": ORANGE}
# A rule's state as a number, the worst last.
RULE = {"off": (0, GREY), "ok": (1, GREEN), "unknown": (2, YELLOW), "unreachable": (3, ORANGE),
        "breaching": (4, RED)}

# The most lines of one query that a reader tells apart.
MOST = 10


class Board:
    """A dashboard that fills rows of 24 columns from left to right."""

    def __init__(self, uid, title, says):
        self.uid, self.title, self.says = uid, title, says
        self.panels, self.notes = [], []
        self.x = self.y = self.tall = 0

    def row(self, title):
        self._break()
        self._add({"type": "row", "title": title, "collapsed": False, "panels": []}, 24, 1)
        self._break()

    def panel(self, kind, title, says, queries, wide, tall, unit="short", **more):
        """One panel. `queries` are (PromQL, legend); `more` goes into its defaults and options."""
        defaults = {"unit": unit, **more.pop("defaults", {})}
        targets = [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": query, "legendFormat": legend,
             **({"instant": True, "range": False} if kind in ("stat", "table", "bargauge") else {})}
            for index, (query, legend) in enumerate(queries)
        ]
        self._add({
            "type": kind, "title": title, "description": says, "datasource": SOURCE, "targets": targets,
            "fieldConfig": {"defaults": defaults, "overrides": more.pop("overrides", [])},
            "options": more.pop("options", {}), **more,
        }, wide, tall)

    def stat(self, title, says, query, wide=4, unit="short", steps=((GREEN, None),), words=None, legend="",
             colors=None, none="–", nan="–"):
        """One number or word that can be read from across the room. With a `legend` it is the names that
        are read, in `colors`; `none` is shown without a series, `nan` for what is no number."""
        defaults = {"thresholds": thresholds(steps), "color": {"mode": "thresholds"}, "noValue": none,
                    "mappings": [{"type": "special", "options": {
                        "match": "nan", "result": {"text": nan, "color": GREY, "index": 0}}}]}
        if unit == "short":
            defaults["decimals"] = 0
        if words:
            defaults["mappings"].append(values(words))
        overrides = [rule(name, ("color", {"mode": "fixed", "fixedColor": color}))
                     for name, color in (colors or {}).items()]
        self.panel("stat", title, says, [(query, legend)], wide, 4, unit, defaults=defaults, overrides=overrides, options={
            "colorMode": "background", "graphMode": "none", "justifyMode": "center",
            "textMode": "name" if legend else "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}})

    def lines(self, title, says, queries, wide=12, tall=8, unit="short", colors=(), dashed=(), stack=False,
              top=None, fill=0, log=False, limit=None):
        """Lines over time. `colors` are (legend, colour), `dashed` the legends of limits; `limit` is one
        that is always the same. `log`: what is small and what is large are both to be seen."""
        custom = {"lineWidth": 2, "fillOpacity": 40 if stack else fill, "showPoints": "never",
                  "stacking": {"mode": "normal" if stack else "none"}}
        defaults = {"custom": custom, **({} if log else {"min": 0}), **({"max": top} if top else {})}
        if log:
            custom["scaleDistribution"] = {"type": "log", "log": 10}
        if limit is not None:
            custom["thresholdsStyle"] = {"mode": "dashed"}
            defaults["thresholds"] = thresholds(((GREEN, None), (RED, limit)))
        overrides = [rule(name, ("color", {"mode": "fixed", "fixedColor": color})) for name, color in colors]
        overrides += [rule(name, ("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
                           ("custom.fillOpacity", 0), ("color", {"mode": "fixed", "fixedColor": RED}))
                      for name in dashed]
        self.panel("timeseries", title, says, queries, wide, tall, unit, defaults=defaults,
                   overrides=overrides, options={
                       "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                       "tooltip": {"mode": "multi", "sort": "desc"}})

    def states(self, title, says, query, legend, words, wide=12, tall=8):
        """Bands over time, one for each series, in words."""
        defaults = {"custom": {"fillOpacity": 70, "lineWidth": 0}, "color": {"mode": "thresholds"},
                    "thresholds": thresholds(((GREY, None),)), "mappings": [values(words)]}
        self.panel("state-timeline", title, says, [(query, legend)], wide, tall, defaults=defaults, options={
            "mergeValues": True, "showValue": "auto", "alignValue": "left", "rowHeight": 0.85,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
            "tooltip": {"mode": "single", "sort": "none"}})

    def note(self, name, query, text, color):
        """A mark on every chart when `query` is above 0."""
        self.notes.append({"name": name, "datasource": SOURCE, "enable": True, "expr": query,
                           "titleFormat": name, "textFormat": text, "iconColor": color, "step": "15s"})

    def json(self):
        return {
            "uid": self.uid, "title": self.title, "description": self.says, "tags": ["crossfade"],
            "schemaVersion": 39, "version": 1, "editable": True, "graphTooltip": 1, "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"}, "timezone": "browser",
            "annotations": {"list": self.notes},
            "templating": {"list": [
                {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"},
                variable("job", "label_values(crossfade_percent, job)"),
                variable("instance", 'label_values(crossfade_percent{job=~"$job"}, instance)'),
            ]},
            "links": [{"title": "crossfade", "type": "dashboards", "tags": ["crossfade"], "asDropdown": False,
                       "includeVars": True, "keepTime": True}],
            "panels": self.panels,
        }

    def _add(self, panel, wide, tall):
        if self.x + wide > 24:
            self._break()
        panel["id"] = len(self.panels) + 1
        panel["gridPos"] = {"x": self.x, "y": self.y, "w": wide, "h": tall}
        self.panels.append(panel)
        self.x, self.tall = self.x + wide, max(self.tall, tall)

    def _break(self):
        self.x, self.y, self.tall = 0, self.y + self.tall, 0


def thresholds(steps):
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in steps]}


def values(words):
    return {"type": "value", "options": {
        str(value): {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(words.items())}}


def rule(name, *properties):
    return {"matcher": {"id": "byName", "options": name},
            "properties": [{"id": key, "value": value} for key, value in properties]}


def variable(name, query):
    return {"name": name, "label": name.capitalize(), "type": "query", "datasource": SOURCE, "query": query,
            "refresh": 2, "includeAll": True, "multi": True, "sort": 1,
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]}}


def rate(metric, by, labels=""):
    picked = f"{PICK}, {labels}" if labels else PICK
    return f"sum by ({by}) (rate({metric}{{{picked}}}[$__rate_interval]))"


def few(query):
    """The largest that are above 0: more than a legend can show may occur at once."""
    return f"topk({MOST}, {query} > 0)"


def highest(query):
    """One line for each sidecar, while they are few; else the highest."""
    return f"topk({MOST}, {query})"


def quantile(q, metric):
    return (f"histogram_quantile({q}, sum by (arm, le) "
            f"(rate({metric}_bucket{{{PICK}}}[$__rate_interval])))")


def migration():
    board = Board("crossfade-migration", "crossfade: migration",
                  "How the move to Bedrock stands. The verdict is on top, why is below.")
    board.note("Rollback", f"sum by (rule) (increase(crossfade_rollbacks_total{{{PICK}}}[1m])) > 0",
               "{{rule}}", RED)
    board.note("Share changed", f"sum(changes(crossfade_percent{{{PICK}}}[1m])) > 0", "", GREY)
    board.note("New attempt", f"sum(changes(crossfade_attempt{{{PICK}}}[1m])) > 0", "", GREEN)
    verdict(board)
    why(board)
    progress(board)
    return board


def verdict(board):
    board.row("Verdict")
    board.stat("Rollout", "rolled_back: Bedrock gets nothing until somebody re-arms it; `crossfade status` "
               "says why. With several sidecars: the state of any of them.",
               f"max by (state) (crossfade_state{{{PICK}}}) == 1", legend="{{state}}", wide=5, colors=STATES)
    board.stat("Bedrock now", "Percent of the eligible calls that go to Bedrock now, the lowest of all sidecars.",
               f"min(crossfade_percent{{{PICK}}})", unit="percent", wide=4, steps=((GREY, None), (GREEN, 0.01)))
    board.stat("Ceiling", "rollout.percent, the lowest of all sidecars.",
               f"min(crossfade_ceiling_percent{{{PICK}}})", unit="percent", wide=3, steps=((GREY, None),))
    board.stat("Nearest to a rollback", "The rule that is furthest: of errors and latency the breach clock, of "
               "severe and outage what they measure against their limit. At 100 % a rule may trip.",
               f'clamp_max(max(crossfade_breach_clock_seconds{{{PICK}, rule=~"errors|latency"}} '
               f'/ crossfade_rule_for_seconds{{{PICK}, rule=~"errors|latency"}} '
               f'or crossfade_rule_value{{{PICK}, rule=~"severe|outage"}} '
               f'/ crossfade_rule_threshold{{{PICK}, rule=~"severe|outage"}}), 1)',
               unit="percentunit", wide=4, steps=((GREEN, None), (YELLOW, 0.1), (ORANGE, 0.5), (RED, 0.9)),
               nan="too few calls")
    board.stat("Answers lost to the app", "Calls of the last 5 minutes that neither arm answered: Bedrock failed "
               "and the original did too, or a stream broke after its first token.",
               f'sum(increase(crossfade_failovers_total{{{PICK}, outcome="failed"}}[5m])) + '
               f'sum(increase(crossfade_calls_total{{{PICK}, arm="bedrock", class="truncated"}}[5m]))',
               wide=4, steps=((GREEN, None), (RED, 1)))
    board.stat("Why held", "What keeps the share at 0 for now. It ends by itself; a rollback does not.",
               f"max by (hold) (crossfade_hold{{{PICK}}}) == 1", legend="{{hold}}", wide=4,
               steps=((ORANGE, None),), none="not held")

    board.stat("Findings", "Rules that found Bedrock worse than the original, or trips that did not roll back. "
               "They stop an automatic advance until `crossfade resume`.",
               f"max by (rule) (crossfade_caution{{{PICK}}}) == 1", legend="{{rule}}", wide=5,
               steps=((ORANGE, None),), none="none")
    board.stat("Local breaker", "Open: this process keeps calls from Bedrock for a while; no rollback.",
               f"max by (state) (crossfade_breaker_state{{{PICK}}}) == 1", legend="{{state}}", wide=4,
               colors=BREAKER)
    board.stat("Could move", "Part of the chat calls that Bedrock can honour, since the start.",
               f"avg(crossfade_migratable_ratio{{{PICK}}})", unit="percentunit", wide=3, steps=((GREY, None),),
               nan="no calls yet")
    board.stat("Detectable", "The smallest failure rate that this traffic can reveal within an hour.",
               f"max(crossfade_detectable_ratio{{{PICK}}})", unit="percentunit", wide=4, steps=((GREY, None),),
               nan="not even an outage")
    board.stat("Age of the stage", "With advance: auto.", f"max(crossfade_stage_age_seconds{{{PICK}}})",
               unit="s", wide=4, steps=((GREY, None),))
    board.stat("Calls of the stage", "With advance: auto; judged on Bedrock since the stage was entered.",
               f"min(crossfade_stage_calls{{{PICK}}})", wide=4, steps=((GREY, None),))


def why(board):
    board.row("Why: both arms against the limits")
    failed = (f'sum by (arm) (rate(crossfade_calls_total{{{PICK}, verdict="failure"}}[$__rate_interval])) / '
              f'sum by (arm) (rate(crossfade_calls_total{{{PICK}, verdict=~"ok|failure"}}[$__rate_interval]))')
    board.lines("Error rate", "Failures of the judged calls. The dashed line is the limit of the rule `errors`.", [
        (failed, "{{arm}}"), (f'max(crossfade_rule_threshold{{{PICK}, rule="errors"}})', "limit of errors"),
    ], unit="percentunit", colors=ARMS.items(), dashed=["limit of errors"])
    board.lines("Slow calls", "Share of Bedrock's calls whose first token came later than the limit; hung ones "
                "count as they cross it.", [
        (f'max(crossfade_rule_value{{{PICK}, rule="latency"}})', "bedrock"),
        (f'max(crossfade_rule_threshold{{{PICK}, rule="latency"}})', "limit of latency"),
    ], unit="percentunit", colors=ARMS.items(), dashed=["limit of latency"])
    for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        speed(board, f"First token, {name}", "Streamed calls of the original; all calls of Bedrock.", q,
              "first_token", "crossfade_first_token_seconds", 8)
    board.lines("Measured against the limits", "What each rule measures, as a part of its limit. Above 100 % the "
                "clocks of errors and latency run, and severe and outage trip.", [
        (f"max by (rule) (crossfade_rule_value{{{PICK}}} / (crossfade_rule_threshold{{{PICK}}} > 0))", "{{rule}}")],
                unit="percentunit", limit=1)
    board.lines("Breach clocks", "How long each rule has been breached, as a part of what it waits for. At 100 % "
                "it may trip.", [
        (f"max by (rule) (crossfade_breach_clock_seconds{{{PICK}}} / (crossfade_rule_for_seconds{{{PICK}}} > 0))",
         "{{rule}}")], unit="percentunit", top=1, fill=10)
    board.states("Rules", "The worst of all sidecars. unknown: too few calls to say. unreachable: the original breaks "
                 "the limit itself, so the rule does not watch. Those that compare both arms are a caution.",
                 "max by (rule) (" + " or ".join(
                     f'crossfade_rule_state{{{PICK}, state="{name}"}} * {value}'
                     for name, (value, _) in RULE.items()) + ")",
                 "{{rule}}", {value: (name, color) for name, (value, color) in RULE.items()})
    board.lines("Odds that Bedrock is worse", "Of the rules that compare both arms: odds against chance, n of n:1. "
                "The limit is in rollout.yaml, 1000 by default.", [
        (f"max by (rule) (crossfade_evalue{{{PICK}}} > 0)", "{{rule}}")], log=True)
    board.lines("What Bedrock failed with", "throttle: quota. config: rights, model access. network, server: "
                "Bedrock's or the way there. incompatible: Bedrock refused what the original takes.", [
        (few(rate("crossfade_calls_total", "class", 'arm="bedrock", verdict="failure"')), "{{class}}")],
                wide=8, unit="reqps", stack=True)
    board.lines("Failovers", "Calls that Bedrock failed and the original was asked to answer.",
                [(rate("crossfade_failovers_total", "outcome") + " > 0", "{{outcome}}")], wide=8, unit="reqps",
                stack=True)
    board.lines("Rollbacks", "By the rule that fired.",
                [(f"sum by (rule) (crossfade_rollbacks_total{{{PICK}}}) > 0", "{{rule}}")], wide=8)


def progress(board):
    board.row("Progress")
    board.lines("Share of eligible calls on Bedrock", "In force, allowed and observed. Observed follows keys, not "
                "calls: busy conversations weigh more.", [
        (f"min(crossfade_percent{{{PICK}}}) / 100", "in force"),
        (f"min(crossfade_ceiling_percent{{{PICK}}}) / 100", "ceiling"),
        (f'sum(rate(crossfade_split_calls_total{{{PICK}, arm="bedrock"}}[$__rate_interval])) / '
         f"sum(rate(crossfade_split_calls_total{{{PICK}}}[$__rate_interval]))", "observed"),
    ], unit="percentunit", top=1, colors=[("in force", GREEN), ("ceiling", GREY), ("observed", ORANGE)])
    board.lines("What can move", "Chat calls by whether Bedrock can honour them: eligible, or why they stay; the ten "
                "most frequent. At 0 % only a sample is read.",
                [(few(rate("crossfade_chat_calls_total", "eligibility", 'eligibility!="unread"')),
                  "{{eligibility}}")], unit="reqps", stack=True)
    board.lines("Migratable share", "Examined chat calls that Bedrock can honour, now; at 0 % of a sample.",
                [(f"sum(rate(crossfade_migratable_calls_total{{{PICK}}}[$__rate_interval])) / "
                  f"sum(rate(crossfade_examined_calls_total{{{PICK}}}[$__rate_interval]))", "migratable")],
                wide=8, unit="percentunit", top=1)
    board.lines("Calls", "Answered by each arm.", [(rate("crossfade_calls_total", "arm"), "{{arm}}")],
                wide=8, unit="reqps", colors=ARMS.items(), stack=True)
    speed(board, "Whole answer, p95", "From dispatch to the end; long answers take long on both arms.", 0.95,
          "total", "crossfade_call_seconds", 8)
    board.lines("Tokens on Bedrock", "A second, as Bedrock reported them.",
                [(rate("crossfade_tokens_total", "kind"), "{{kind}}")], unit="suffix: tokens/s")
    board.lines("Losses", "What the translation left behind or changed, a second; each is one that it is allowed to. "
                "The ten most frequent.",
                [(few(rate("crossfade_losses_total", "loss")), "{{loss}}")], unit="cps")


def speed(board, title, says, q, measure, metric, wide):
    """A percentile of both arms, with the line from which a call counts as slow."""
    slow = f'max(crossfade_slow_after_seconds{{{PICK}, measure="{measure}"}}) > 0'
    board.lines(title, f"{says} Dashed: what the rule `latency` counts as slow, if it times this.",
                [(quantile(q, metric), "{{arm}}"), (slow, "slow")], wide=wide, unit="s",
                colors=ARMS.items(), dashed=["slow"], log=True)


def sidecar():
    board = Board("crossfade-sidecar", "crossfade: the sidecar itself",
                  "Whether the process is well. Nothing here is about the providers.")
    board.row("Verdict")
    board.stat("Sidecars up", "That Prometheus can ask.", 'sum(up{job=~"$job", instance=~"$instance"})', wide=3,
               steps=((RED, None), (GREEN, 1)))
    yes_no = {0: ("no", RED), 1: ("yes", GREEN)}
    board.stat("State file healthy", "No: a rollback would not survive a restart. The share is 0 meanwhile.",
               f"min(crossfade_state_file_healthy{{{PICK}}})", words=yes_no)
    board.stat("Journal healthy", "No: what happens is in force, but `crossfade history` and notifications miss it.",
               f"min(crossfade_journal_healthy{{{PICK}}})", words=yes_no, wide=3)
    board.stat("AWS credentials", "No: Bedrock cannot be asked; every call stays with the original.",
               f"min(crossfade_credentials_healthy{{{PICK}}})", words=yes_no)
    board.stat("Mistakes in rollout.yaml", "Above 0 the file on disk is not in force: `crossfade check` names them.",
               f"max(crossfade_config_problems{{{PICK}}})", steps=((GREEN, None), (RED, 1)))
    board.stat("Youngest process", "How long ago a sidecar was last started.",
               f"min(time() - process_start_time_seconds{{{PICK}}})", unit="s", wide=3,
               steps=((YELLOW, None), (GREEN, 300)))
    board.stat("Version", "Several while they are being replaced.",
               f"count by (version) (crossfade_build_info{{{PICK}}})", legend="{{version}}", wide=3,
               steps=((GREY, None),))
    board.row("Process")
    board.lines("CPU", "100 % is one core.", [
        (highest(f"rate(process_cpu_seconds_total{{{PICK}}}[$__rate_interval])"), "{{instance}}")],
                wide=8, unit="percentunit")
    board.lines("Memory", "Resident.", [(highest(f"process_resident_memory_bytes{{{PICK}}}"), "{{instance}}")],
                wide=8, unit="bytes")
    board.lines("File descriptors", "Open, and the most that may be.", [
        (highest(f"process_open_fds{{{PICK}}}"), "{{instance}}"),
        (f"min(process_max_fds{{{PICK}}})", "limit")], wide=8, dashed=["limit"], log=True)
    board.row("Work")
    board.lines("Connections of callers", "More than limits.connections wait.", [
        (highest(f"crossfade_connections{{{PICK}}}"), "{{instance}}"),
        (f"min(crossfade_connections_max{{{PICK}}})", "limit")], wide=8, dashed=["limit"])
    board.lines("Calls in flight", "Of the busiest sidecar. Beyond limits.in_flight on Bedrock calls stay.", [
        (f"max by (arm) (crossfade_in_flight{{{PICK}}})", "{{arm}}"),
        (f"min(crossfade_in_flight_max{{{PICK}}})", "limit of bedrock")], wide=8, colors=ARMS.items(),
                dashed=["limit of bedrock"])
    board.lines("Held bytes", "Bodies held for the split. Beyond limits.buffered calls stay.", [
        (highest(f"crossfade_buffered_bytes{{{PICK}}}"), "{{instance}}"),
        (f"min(crossfade_buffered_bytes_max{{{PICK}}})", "limit")], wide=8, unit="bytes", dashed=["limit"])
    board.lines("Queues", "Bookings: what calls came to, on the way to the rules. Notifications: not yet accepted by "
                "their receivers.", [
        (f"max(crossfade_bookings_waiting{{{PICK}}})", "bookings"),
        (f"max(crossfade_notify_waiting{{{PICK}}})", "notifications")], wide=8)
    board.lines("Lost, in a minute", "log: nobody read stderr in time. bookings: the original's, under overload; Bedrock's "
                "never are. journal, notifications: not to be told for too long. spans: the collector is away.", [
        (f"sum(increase(crossfade_{name}{{{PICK}}}[1m]))", legend) for name, legend in (
            ("log_dropped_total", "log lines"), ("bookings_dropped_total", "bookings"),
            ("journal_lost_total", "journal"), ("notify_dropped_total", "notifications"),
            ("spans_dropped_total", "spans"))], wide=8)
    board.lines("Configurations accepted", "Steps are reloads.",
                [(highest(f"crossfade_config_generation{{{PICK}}}"), "{{instance}}")], wide=8)
    board.lines("Other requests", "No chat calls: they go to the original untouched.",
                [(highest(rate("crossfade_other_requests_total", "instance")), "{{instance}}")], unit="reqps")
    board.lines("Tries to tell that failed", "Notifications and spans, in a minute; each is repeated.", [
        (f"sum(increase(crossfade_notify_failures_total{{{PICK}}}[1m]))", "notifications"),
        (f"sum(increase(crossfade_span_exports_failed_total{{{PICK}}}[1m]))", "spans")])
    return board


def main():
    wrong = []
    for board in (migration(), sidecar()):
        file = FOLDER / f"{board.uid}.json"
        text = json.dumps(board.json(), indent=1, ensure_ascii=False) + "\n"
        if "--check" in sys.argv[1:]:
            if not file.exists() or file.read_text() != text:
                wrong.append(file.name)
        else:
            FOLDER.mkdir(exist_ok=True)
            file.write_text(text)
    if wrong:
        sys.exit(f"not what dashboards/build.py writes: {', '.join(wrong)}; run it")


main()
