"""Proves dashboards/ on real parts: promtool, and a Prometheus that scrapes a running crossfade.

The dashboards are what their script writes, and Grafana's own model knows all that is in them; promtool
accepts the alert rules and a scrape, and the rules' tests pass. A Prometheus scrapes `crossfade demo
--serve`, first while all is well, then while Bedrock is down and everything is taken back. In both hours
every query of every panel is answered with what a reader can bear (`shape.py`); what has no data is listed
below with the reason. The argument is the crossfade binary. Prints one line per check; exits 1 if one
failed.
"""

import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from model import strangers
from shape import faults

ROOT = pathlib.Path(__file__).resolve().parents[2] / "dashboards"
CROSSFADE = pathlib.Path(sys.argv[1]).resolve()

# Queries that have no data, by panel or by panel and legend, and why that is right. While all is well:
WELL = {
    "Why held": "nothing holds the share at 0",
    "Findings": "no rule has found anything",
    "What Bedrock failed with": "it does not fail",
    "Failovers": "it does not fail",
    "Rollbacks": "nothing was taken back",
    "Losses": "the demo's app asks for nothing that is left behind",
    "Whole answer, p95: slow": "the rule times first tokens",
}
# And after a rollback:
BAD = {
    "Why held": "a rollback is no hold",
    "Findings": "the rule that tripped was no finding",
    "Losses": "as before",
    "Whole answer, p95: slow": "as before",
}

# Samples that the windows of the queries need: a few scrapes.
SCRAPES = 8

# Of the rules that see an outage of Bedrock, the moment at which it begins says which is first.
FAST = [{"outage"}, {"severe"}]

passed = failed = 0


def check(name, problem=None):
    """Tells of one check."""
    global passed, failed
    if problem:
        failed += 1
        print(f"FAILED  {name}\n        {problem}")
    else:
        passed += 1
        print(f"ok      {name}")


def tool(name, *command):
    """A command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "prometheus")
    check(name, (done.stdout + done.stderr).strip() if done.returncode else None)


def ask(base, path, **query):
    """The data of an answer of Prometheus."""
    url = f"{base}{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(what, seconds=240):
    """Polls until `what` gives something; both processes are another's, and tell of nothing."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found := what():
                return found
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.25)
    sys.exit(f"not within {seconds} s: {what.__doc__}")


def panels():
    """Every panel with queries, by its dashboard."""
    for file in sorted((ROOT / "grafana").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            if panel.get("targets"):
                yield file.stem, panel


def filled(query):
    """A query with the variables of Grafana filled in."""
    for name, value in (("$job", "crossfade"), ("$instance", ".*"), ("$__rate_interval", "15s")):
        query = query.replace(name, value)
    return query


def main():
    tool("dashboards are what build.py writes", sys.executable, "-B", ROOT / "build.py", "--check")
    for file in sorted((ROOT / "grafana").glob("*.json")):
        check(f"{file.stem}: Grafana's model", ", ".join(strangers(file)) or None)
    tool("promtool check rules", "promtool", "check", "rules", "alerts.yaml")
    tool("promtool test rules", "promtool", "test", "rules", "alerts.test.yaml")
    tool("promtool check config", "promtool", "check", "config", "prometheus.yml")
    with tempfile.TemporaryDirectory() as folder:
        demo = subprocess.Popen([CROSSFADE, "demo", "--serve", "--json"], stdout=subprocess.PIPE)
        started = [demo]
        try:
            told = json.loads(demo.stdout.readline())
            admin = told["admin_url"].removeprefix("http://")
            config = pathlib.Path(folder, "prometheus.yml")
            config.write_text(
                "global: { scrape_interval: 1s, evaluation_interval: 1s }\n"
                f"rule_files: ['{ROOT}/prometheus/alerts.yaml']\n"
                f"scrape_configs: [{{ job_name: crossfade, static_configs: [{{ targets: ['{admin}'] }}] }}]\n")
            port = free_port()
            started.append(subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address=127.0.0.1:{port}"],
                stderr=subprocess.DEVNULL))
            prove(f"http://127.0.0.1:{port}", told["bedrock_control_url"])
            scrape(f"http://{admin}/metrics")
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(30)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def scrape(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    told = (done.stdout + done.stderr).decode().strip()
    check("promtool check metrics", told or (None if text and not done.returncode else "nothing to check"))


def prove(base, bedrock):
    def value(query):
        return ask(base, "/api/v1/query", query=query)["result"]

    def scraped():
        """some scrapes with calls on both arms"""
        return value(f'count_over_time(crossfade_percent{{job="crossfade"}}[5m]) >= {SCRAPES} '
                     'and on (instance) sum by (instance) (crossfade_calls_total{arm="bedrock"}) > 20')

    def taken_back():
        """a rollback, and the alert for it"""
        return "CrossfadeRolledBack" in firing(base)

    until(scraped)
    read(base, "well", WELL)
    rules = alerts(base)
    broken = [f"{rule['name']}: {rule['lastError']}" for rule in rules if rule["health"] == "err"]
    check(f"{len(rules)} alerts are evaluated", "; ".join(broken) or (None if rules else "none"))
    check("no alert fires while all is well", ", ".join(firing(base)) or None)
    fault = json.dumps({"behaviour": "error", "kind": "unavailable"}).encode()
    urllib.request.urlopen(f"{bedrock}/__emulator/behaviour", data=fault, timeout=10).close()
    until(taken_back)
    read(base, "bad", BAD)
    check("the alert for a rollback is the only one that pages",
          ", ".join(firing(base, "page") - {"CrossfadeRolledBack"}) or None)
    marks(base)


def alerts(base):
    return [rule for group in ask(base, "/api/v1/rules")["groups"] for rule in group["rules"]]


def firing(base, severity=".*"):
    """The names of the alerts that fire."""
    return {rule["name"] for rule in alerts(base)
            if rule["state"] == "firing" and severity in (".*", rule["labels"]["severity"])}


def read(base, hour, empty):
    """Every panel as it would be drawn now."""
    def values_of(metric, label):
        return set(ask(base, f"/api/v1/label/{label}/values", **{"match[]": metric}))

    unused = set(empty)
    for board, panel in panels():
        answers, problems = [], []
        for target in panel["targets"]:
            query, title = filled(target["expr"]), panel["title"]
            try:
                found = ask(base, "/api/v1/query", query=query)["result"]
            except urllib.error.HTTPError as error:
                problems.append(json.load(error).get("error"))
                continue
            answers.append((target, found))
            name = next((each for each in (title, f"{title}: {target['legendFormat']}") if each in empty), None)
            if not found and name is None:
                problems.append(f"no data: {query}")
            if not found:
                unused.discard(name)
        problems += faults(panel, answers, values_of)
        check(f"{hour}: {board}: {panel['title']}", "; ".join(problems) or None)
    check(f"{hour}: what is listed as empty is", ", ".join(sorted(unused)) or None)


def marks(base):
    """What is drawn through every chart, and what it is called."""
    for file in sorted((ROOT / "grafana").glob("*.json")):
        for note in json.loads(file.read_text())["annotations"]["list"]:
            found = ask(base, "/api/v1/query", query=filled(note["expr"]))["result"]
            text = {one["metric"].get("rule") for one in found} if note["textFormat"] else found
            # Nothing was re-armed.
            wanted = {"Rollback": FAST, "New attempt": [[]]}.get(note["name"], [text or ["a mark"]])
            check(f"{file.stem}: the mark {note['name']}", None if text in wanted else f"{text}")


main()
