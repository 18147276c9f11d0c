"""Proves dashboards/ on real parts: promtool, and a Prometheus that scrapes a running crossfade.

The dashboards are what their script writes, and Grafana's own model knows all that is in them; promtool
accepts the alert rules and a scrape, and the rules' tests pass; every query of every panel is answered by a Prometheus that has scraped `crossfade demo --serve`, and
those that must have data there have some. The argument is the crossfade binary. Prints one line per
check; exits 1 if one failed.
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

ROOT = pathlib.Path(__file__).resolve().parents[2] / "dashboards"
CROSSFADE = pathlib.Path(sys.argv[1]).resolve()

# Panels that are empty in a healthy demo: what they show did not happen.
EMPTY = {"Why held", "What Bedrock failed with", "Failovers", "Losses", "Breach clocks"}

# Samples that the windows of the queries need: a few scrapes.
SCRAPES = 8

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


def until(what, seconds=90):
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


def queries():
    """Every query of every panel, with the variables of Grafana filled in."""
    for file in sorted((ROOT / "grafana").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", []):
                query = target["expr"].replace("$job", "crossfade").replace("$instance", ".*")
                yield file.stem, panel["title"], query.replace("$__rate_interval", "15s")


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
            admin = json.loads(demo.stdout.readline())["admin_url"].removeprefix("http://")
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
            prove(f"http://127.0.0.1:{port}")
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


def prove(base):
    def scraped():
        """some scrapes with calls on both arms"""
        query = (f'count_over_time(crossfade_percent{{job="crossfade"}}[5m]) >= {SCRAPES} '
                 'and on (instance) sum by (instance) (crossfade_calls_total{arm="bedrock"}) > 20')
        return ask(base, "/api/v1/query", query=query)["result"]

    until(scraped)
    for board, title, query in queries():
        name = f"{board}: {title}"
        try:
            found = ask(base, "/api/v1/query", query=query)["result"]
        except urllib.error.HTTPError as error:
            check(name, json.load(error).get("error"))
            continue
        check(name, None if found or title in EMPTY else f"no data: {query}")
    groups = ask(base, "/api/v1/rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    broken = [f"{rule['name']}: {rule['lastError']}" for rule in rules if rule["health"] == "err"]
    firing = [rule["name"] for rule in rules if rule["state"] == "firing"]
    check(f"{len(rules)} alerts are evaluated", "; ".join(broken) or (None if rules else "none"))
    check("no alert fires in a healthy demo", ", ".join(firing) or None)


main()
