"""Proves docker-compose.yml and its override for the real providers.

By the schema of the Compose specification; by the files that they name; and by running the stack, as
far as that goes without a container engine (see `stack.py`): traffic flows on both arms, Prometheus
scrapes, an edit of the percentage arrives, a broken Bedrock is rolled back without an error of the
app's, and SIGTERM ends everything. Grafana has no Debian package: of it the mounted files are checked.
The argument is the crossfade binary. Prints one line per check; exits 1 if one failed.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

from model import active, load, mounts, published
from stack import PATIENCE, ROOT, USERS, Stack

CROSSFADE = pathlib.Path(sys.argv[1]).resolve()
BASE = ROOT / "docker-compose.yml"
REAL = ROOT / "deploy/compose/real.yml"
TOKEN = "a-token-of-this-test-alone"

# Set for the process that runs inside the namespaces.
INSIDE = "CROSSFADE_COMPOSE_INSIDE"

passed = failed = 0


def check(name, *problems):
    """Tells of one check; all is well if no problem says something."""
    global passed, failed
    problems = [problem for problem in problems if problem]
    if problems:
        failed += 1
        print(f"FAILED  {name}", *problems, sep="\n        ", flush=True)
    else:
        passed += 1
        print(f"ok      {name}", flush=True)


def schema():
    """By the specification's own schema."""
    checker = pathlib.Path(sys.executable).with_name("check-jsonschema")
    for file in (BASE, REAL):
        done = subprocess.run([checker, "--builtin-schema", "vendor.compose-spec", file],
                              capture_output=True, text=True)
        check(f"{file.name}: schema", done.returncode and done.stdout + done.stderr)


def images(services):
    version = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    problems = []
    for name, service in services.items():
        image, _, tag = service["image"].partition(":")
        if not re.match(r"v?\d+\.\d+\.\d+$", tag):
            problems.append(f"{name}: {service['image']} is not pinned to a version")
        if image == "crossfade" and tag != version:
            problems.append(f"{name}: Cargo.toml says {version}")
    check("images are pinned, crossfade's to this version", *problems)
    builders = {name: service.get("pull_policy") for name, service in services.items()
                if service["image"].startswith("crossfade:")}
    expected = {name: "build" if name == "crossfade" else "never" for name in builders}
    check("crossfade's image is built once and never pulled", builders != expected and str(builders))


def sources():
    """What the Dockerfile copies is let through by .dockerignore, and is all that a build needs."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copies = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.M)
    names = [name for line in copies for name in line.split()]
    check("the image's sources reach its build",
          *(f"{name} is in no line of .dockerignore" for name in names if f"!{name}" not in ignored))
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, pathlib.Path(folder, name))
        # Checked, not built for release: what is missing shows, and it takes seconds.
        done = subprocess.run(["cargo", "check", "--quiet", "--locked", "--bin", "crossfade"], cwd=folder,
                              env={**os.environ, "CARGO_TARGET_DIR": CROSSFADE.parents[1]},
                              capture_output=True, text=True)
    check("they compile by themselves", done.returncode and done.stderr)


def ports(services):
    check("every port is bound to 127.0.0.1", *(
        f"{name}: {address}:{host}" for name, service in services.items()
        for address, host, _ in published(service) if address != "127.0.0.1"))


def dependencies(services):
    problems = [f"{name}: no health check" for name, service in services.items()
                if "healthcheck" not in service]
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            if needed not in services and how.get("required", True):
                problems.append(f"{name} needs {needed}, which does not start")
    check("every service has a health check and what it needs", *problems)


def files(model, services):
    problems = []
    for name, service in services.items():
        for source, target, _ in mounts(service):
            if source.startswith("./"):
                if not (ROOT / source).is_dir():
                    problems.append(f"{name}: {source} is no folder")
            elif source not in model["volumes"]:
                problems.append(f"{name}: no volume {source}")
        for word in service.get("command", []):
            path = word.partition("=")[2] if word.startswith("--config") else ""
            if path and not (behind(service, path) or ROOT).is_file():
                problems.append(f"{name}: nothing mounted at {path}")
    check("mounts and volumes are there", *problems)


def behind(service, path):
    """The file of the repository that a container sees at `path`."""
    for source, target, _ in sorted(mounts(service), key=lambda mount: -len(mount[1])):
        if path.startswith(f"{target}/") and source.startswith("./"):
            return ROOT / source / path.removeprefix(f"{target}/")
        if path == target and source.startswith("./"):
            return ROOT / source
    return None


def grafana(services):
    """What Grafana reads at its start, by the paths that it sees."""
    service, problems = services["grafana"], []
    provisioning = "/etc/grafana/provisioning"
    [sources] = behind(service, f"{provisioning}/datasources").glob("*.yaml")
    [providers] = behind(service, f"{provisioning}/dashboards").glob("*.yaml")
    [source] = yaml.safe_load(sources.read_text())["datasources"]
    url = urllib.parse.urlsplit(source["url"])
    if url.hostname not in services:
        problems.append(f"{source['url']} is no service")
    elif url.port not in [container for _, _, container in published(services[url.hostname])]:
        problems.append(f"{url.hostname} does not publish {url.port}")
    [provider] = yaml.safe_load(providers.read_text())["providers"]
    folder = behind(service, provider["options"]["path"])
    boards = sorted(folder.glob("*.json")) if folder else []
    if not boards:
        problems.append(f"no dashboard at {provider['options']['path']}")
    for board in boards:
        if not json.loads(board.read_text()).get("panels"):
            problems.append(f"{board.name} has no panel")
    home = behind(service, service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    if home not in boards:
        problems.append(f"{home} is no provisioned dashboard")
    check(f"Grafana finds its data source and {len(boards)} dashboards", *problems)


def caller(services):
    """The emulated app may cause Bedrock calls."""
    service = services["crossfade"]
    rollout = yaml.safe_load(behind(service, "/etc/crossfade/rollout.yaml").read_text())
    key = services["app"]["environment"]["OPENAI_API_KEY"]
    known = hashlib.sha256(key.encode()).hexdigest() in rollout["callers"]["key_sha256"]
    check("the app's key is listed in rollout.yaml", None if known else "its hash is not")


def override():
    """What starts against the real providers."""
    without = {"OPENAI_API_KEY": "a-key"}
    try:
        load([BASE, REAL], without)
        check("real.yml asks for an admin token", "it does not")
    except KeyError as missing:
        check("real.yml asks for an admin token", "CROSSFADE_ADMIN_TOKEN" not in str(missing))
    model = load([BASE, REAL], {**without, "CROSSFADE_ADMIN_TOKEN": TOKEN})
    services = active(model)
    check("real.yml leaves the emulators off",
          set(services) != {"crossfade", "prometheus", "grafana"} and str(set(services)))
    services = active(model, ["load"])
    check("--profile load adds the app", "app" not in services and str(set(services)))
    dependencies(services)
    files(model, services)
    text = json.dumps(services["crossfade"])
    check("nothing emulated is left in it", *(
        word for word in ("emulat", "only-for-this-machine") if word in text))
    return model


def ask(path, **query):
    """An answer of Prometheus."""
    url = f"http://127.0.0.1:9090{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]


def query(text):
    return ask("/api/v1/query", query=text)["result"]


def until(name, seen):
    """Polls until `seen` gives something: the processes are others', and tell of nothing."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if seen():
                return check(name)
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.25)
    return check(name, f"not within {PATIENCE} s")


def save(folder, percent):
    """Edits `rollout.percent` as most editors save: a new file takes the old one's place."""
    file = folder / "rollout.yaml"
    text = re.sub(r"(?m)^  percent: \d+", f"  percent: {percent}", file.read_text())
    new = folder / ".rollout.yaml.new"
    new.write_text(text)
    new.rename(file)


def start(stack, names):
    """Starts services, each when the one before is healthy; tells whether all are."""
    for name in names:
        stack.start(name)
        wrong = stack.healthy(name)
        check(f"{name} starts and is healthy", wrong)
        if wrong:
            return False
    return True


def stop(stack, names):
    for name in names:
        code = stack.stop(name)
        check(f"{name} ends at SIGTERM with 0", code != 0 and f"{code}: {stack.log(name)}")


def copy_of(folder, place):
    """A folder that may be edited."""
    place.mkdir()
    for file in folder.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    return place


def run_emulated(services):
    """The stack as it is, and its story."""
    services = {name: service for name, service in services.items() if name != "grafana"}
    with Stack(CROSSFADE, services) as stack:
        source = "./deploy/compose/emulated"
        edited = copy_of(ROOT / source, stack.folder / "edited")
        stack.replaced[source] = edited
        if not start(stack, ["crossfade", "openai", "bedrock", "app", "prometheus"]):
            return
        until("Prometheus has its target up", lambda: query("up == 1"))
        until("calls flow on both arms", lambda: len(query(
            'sum by (arm) (crossfade_calls_total{verdict="ok"}) > 5')) == 2)
        groups = ask("/api/v1/rules")["groups"]
        broken = [rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "err"]
        check("Prometheus has the alert rules", None if groups else "none", *broken)
        save(edited, 25)
        until("an edit of the percentage arrives", lambda: query("crossfade_percent == 25"))
        said, well = stack.run("bedrock", "crossfade", "emulate", "tell", "bedrock", "fail")
        check("Bedrock is told to fail", None if well and "plays error" in said else said)
        until("it is rolled back", lambda: query('crossfade_state{state="rolled_back"} == 1'))
        said, _ = stack.run("crossfade", "crossfade", "status")
        # The moment at which Bedrock fails says which of the two is first.
        named = re.search(r"ROLLED BACK .*: (outage|severe) [\d.]+ % .*limit", said)
        check("status names the rule", None if named else said)
        stack.run("bedrock", "crossfade", "emulate", "tell", "bedrock", "repair")
        said, well = stack.run("crossfade", "crossfade", "rearm", "--reason", "Bedrock is back")
        check("it is re-armed", None if well else said)
        until("calls go to Bedrock again", lambda: query("crossfade_percent == 25"))
        said, _ = stack.run("app", "crossfade", "emulate", "ask", "app", "--json")
        seen = json.loads(said)
        check("the app saw no error", seen["errors"] and f"{said} {stack.log('app')}",
              None if seen["failovers"] and seen["bedrock"] else said)
        stop(stack, ["app", "crossfade", "bedrock", "openai", "prometheus"])


def run_real(model):
    """crossfade as the override starts it, without a network and without keys."""
    with Stack(CROSSFADE, {"crossfade": model["services"]["crossfade"]}) as stack:
        said, well = stack.run("crossfade", "crossfade", "check", "/etc/crossfade/rollout.yaml")
        check("real/rollout.yaml is valid", None if well else said)
        if start(stack, ["crossfade"]):
            stop(stack, ["crossfade"])


def inside():
    """Runs this script again where it has a network of its own; tells whether that is possible."""
    again, environment = ["unshare", "--net", "--mount"], {**os.environ, INSIDE: "yes"}
    if os.geteuid() == 0:
        environment[USERS] = "yes"
    else:
        again.append("--map-root-user")
    if subprocess.run([*again, "true"], capture_output=True).returncode:
        return None
    return subprocess.run([*again, sys.executable, "-B", __file__, CROSSFADE], env=environment).returncode


def main():
    model = load([BASE], {"CROSSFADE_ADMIN_TOKEN": TOKEN})
    if INSIDE in os.environ:
        run_emulated(active(model))
        run_real(load([BASE, REAL], {"CROSSFADE_ADMIN_TOKEN": TOKEN}))
        print(f"{passed} passed, {failed} failed")
        return 1 if failed else 0
    schema()
    services = active(model)
    images(services)
    sources()
    ports(services)
    dependencies(services)
    files(model, services)
    grafana(services)
    caller(services)
    override()
    print(f"{passed} passed, {failed} failed", flush=True)
    ran = inside()
    if ran is None:
        print("SKIPPED: running it; this machine lets no process have namespaces of its own")
    return 1 if failed or ran else 0


sys.exit(main())
