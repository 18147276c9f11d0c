"""Runs the services of a compose file without a container engine.

In a network and mount namespace of its own, each service is a plain process whose root holds this
machine's programs, the mounts of the file and nothing else to write to. So the commands, environments,
paths, names, ports and health checks are the file's own, word for word. Each name has an address of
its own, so that a service that listens on loopback only is not reached. Started by root, it runs each
service as its image's user and without capabilities. What the images bring is in `IMAGES`.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import time

from model import mounts

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Of a service's root, what is this machine's.
SHARED = ("usr", "bin", "sbin", "lib", "lib64", "dev", "proc")

# Longer than anything here takes.
PATIENCE = 90


# Set where the users of this machine are there, and not only the one who started this.
USERS = "CROSSFADE_COMPOSE_USERS"


def image_of_crossfade():
    """Entry point, command, folder and user, from the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text()
    last = {key: value for key, value in re.findall(r"^(ENTRYPOINT|CMD|WORKDIR|USER) (.+)$", text, re.M)}
    user, _, _ = last["USER"].partition(":")
    return json.loads(last["ENTRYPOINT"]), json.loads(last["CMD"]), last["WORKDIR"], int(user)


IMAGES = {
    "crossfade": image_of_crossfade(),
    "prom/prometheus": (["prometheus"], [], "/prometheus", 65534),
}


class Stack:
    """Running services; leaving it kills what still runs."""

    def __init__(self, crossfade, services):
        self.services = services
        # Sources of mounts, and what is mounted instead.
        self.replaced = {}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="crossfade-compose-"))
        self.running, self.logs = {}, {}
        programs = self.folder / "programs"
        programs.mkdir()
        shutil.copy(crossfade, programs / "crossfade")
        self.name_everybody()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running.values():
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def name_everybody(self):
        """An address for each service, and what the resolver reads."""
        etc = self.folder / "etc"
        etc.mkdir()
        hosts = ["127.0.0.1 localhost"]
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for number, name in enumerate(self.services, 11):
            subprocess.run(["ip", "address", "replace", f"10.77.0.{number}/32", "dev", "lo"], check=True)
            hosts.append(f"10.77.0.{number} {name}")
        (etc / "hosts").write_text("\n".join(hosts) + "\n")
        (etc / "nsswitch.conf").write_text("hosts: files\n")

    def command(self, name, command):
        """What runs `command` as the service would."""
        service = self.services[name]
        entry, usual, folder, user = IMAGES[service["image"].partition(":")[0]]
        root = self.folder / f"root-{name}"
        root.mkdir(exist_ok=True)
        lines = ["set -e", f"mount -t tmpfs root {root}"]
        for part in SHARED:
            source = pathlib.Path("/", part)
            if source.is_symlink():
                lines.append(f"ln -s {os.readlink(source)} {root}/{part}")
            elif source.exists():
                lines.append(f"mkdir {root}/{part}; mount --rbind {source} {root}/{part}")
        lines += [f"mkdir -p {root}/etc {root}/opt/programs {root}{folder}",
                  f"cp {self.folder}/etc/* {root}/etc/",
                  f"mount --bind {self.folder}/programs {root}/opt/programs"]
        for target in service.get("tmpfs", []):
            lines.append(f"mkdir -p {root}{target}; mount -t tmpfs own {root}{target}")
        # As an engine does: a mount inside another comes after it.
        for source, target, writable in sorted(mounts(service), key=lambda mount: mount[1]):
            place = f"{root}{target}"
            lines.append(f"mkdir -p {place}; mount --bind {self.source(source, user)} {place}")
            if not writable:
                lines.append(f"mount -o remount,bind,ro {place}")
        if service.get("read_only"):
            lines.append(f"mount -o remount,bind,ro {root}")
        given = {"PATH": "/opt/programs:/usr/bin:/bin", **service.get("environment", {})}
        environment = [f"{key}={value}" for key, value in given.items()]
        words = entry + service.get("command", usual) if command is None else command
        if USERS in os.environ:
            words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups",
                     "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", *words]
        words = ["chroot", str(root), "env", "-i", f"--chdir={folder}", *environment, *words]
        lines.append(f"exec {shlex.join(words)}")
        return ["unshare", "--mount", "sh", "-c", "\n".join(lines)]

    def source(self, source, user):
        """A folder of the repository, or one in the place of a volume."""
        if source in self.replaced:
            return self.replaced[source]
        if source.startswith("./"):
            return ROOT / source
        place = self.folder / f"volume-{source}"
        place.mkdir(exist_ok=True)
        if USERS in os.environ:
            # As in the image, which an engine copies into an empty volume.
            os.chown(place, user, user)
        return place

    def start(self, name):
        self.logs[name] = self.folder / f"{name}.log"
        with self.logs[name].open("w") as log:
            self.running[name] = subprocess.Popen(self.command(name, None), stdout=log, stderr=log)

    def run(self, name, *command):
        """`docker compose exec NAME COMMAND`: its output, and whether it succeeded."""
        done = subprocess.run(self.command(name, list(command)), capture_output=True, text=True)
        return done.stdout + done.stderr, done.returncode == 0

    def healthy(self, name):
        """Waits for the service's own health check; what is wrong if it does not succeed."""
        test = self.services[name]["healthcheck"]["test"]
        end = time.monotonic() + PATIENCE
        said, well = "", False
        while not well and time.monotonic() < end:
            if self.running[name].poll() is not None:
                return f"it ended: {self.log(name)}"
            said, well = self.run(name, *test[1:])
        return None if well else said

    def stop(self, name):
        """SIGTERM and the exit code; none if it does not end within the file's grace period."""
        process = self.running.pop(name)
        process.terminate()
        grace = int(self.services[name].get("stop_grace_period", "10s").removesuffix("s"))
        try:
            return process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def log(self, name):
        return self.logs[name].read_text()[-2000:]
