"""SIGKILL before every change of a file: nothing that was reported is lost, and everything has one line.

A crossfade (whose path is the argument) is killed when it is about to make its first, second, third … change
of the state file, the journal, the outbox or the copy of the configuration (cut.c). Then another one is started
on what is left. Two stories are cut at every place: a rollback at the very first start, and a re-arm after it.
Prints one line per story; exits 1 if something was lost.

What must hold after the restart: what was answered is in force; the state file is whole; the journal has one
line for the rollback, and the webhook heard of it under one id, the line's.
"""

import http.client
import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).parent
CROSSFADE = pathlib.Path(sys.argv[1]).resolve()
# A hang guard; nothing that works comes near it.
PATIENCE_S = 60


class Webhook:
    """Who is told of rollbacks and re-arms: the events, as they come."""

    def __init__(self):
        self.heard, self.changed = [], threading.Condition()
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                # Whoever tells may be killed while it does.
                self.send_response(204)
                self.end_headers()
                with webhook.changed:
                    webhook.heard.append(json.loads(body))
                    webhook.changed.notify_all()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def ids(self, event):
        return {it["id"] for it in self.heard if it["type"].endswith(event)}

    def wait_for(self, event, life):
        """Until the event was heard or the process is gone."""
        with self.changed:
            waited = self.changed.wait_for(lambda: self.ids(event) or life.gone.is_set(), PATIENCE_S)
        assert waited, f"{event} is never told"

    def wake(self):
        with self.changed:
            self.changed.notify_all()


class Life:
    """One process, and whether it is gone."""

    def __init__(self, process, webhook):
        self.process, self.gone, self.webhook = process, threading.Event(), webhook
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        self.process.wait()
        self.gone.set()
        self.webhook.wake()

    def stop(self):
        """Ends it in the usual way, unless it is gone; whether it was killed."""
        if not self.gone.is_set():
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)
        return self.process.returncode == -signal.SIGKILL


class Place:
    """A folder with a configuration, and a crossfade in it."""

    def __init__(self, folder, library):
        self.folder, self.library, self.webhook = pathlib.Path(folder), library, Webhook()
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            listen, self.admin = one.getsockname()[1], other.getsockname()[1]
        hook = f"http://127.0.0.1:{self.webhook.server.server_port}/"
        (self.folder / "rollout.yaml").write_text(
            f"listen: 127.0.0.1:{listen}\nadmin: 127.0.0.1:{self.admin}\n"
            "original: { url: 'http://127.0.0.1:9' }\n"
            "bedrock: { endpoint: 'http://127.0.0.1:9', models: { m: amazon.nova-lite-v1:0 } }\n"
            f"rollout: {{ percent: 5 }}\nnotify: [{{ webhook: '{hook}', events: [rolled_back, rearmed] }}]\n"
            "state: s.json\ndrain: 0s\n")

    def start(self, cut_at=None):
        """Starts it, to be killed before so many changes of its files."""
        environment = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true"}
        if cut_at is not None:
            environment |= {"LD_PRELOAD": str(self.library), "CUT_IN": str(self.folder), "CUT_AT": str(cut_at)}
        command = [CROSSFADE, "run", "--config", self.folder / "rollout.yaml"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return Life(process, self.webhook)

    def ask(self, path, body=None):
        """The status and the answer; none if nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=PATIENCE_S)
        headers = {"content-type": "application/json"} if body else {}
        try:
            connection.request("POST" if body else "GET", path, body and json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def ready(self, life):
        """Whether it serves; it may be gone before."""
        while not life.gone.is_set():
            answer = self.ask("/readyz")
            if answer and answer[0] == 200:
                return True
        return False

    def act(self, life, verb, event):
        """Gives a command and waits until it was told of; whether it was asked for, and reported."""
        if not self.ready(life):
            return False, False
        answer = None, b"state_unread"
        # The state file has not been read yet: the command is to be repeated.
        while answer and b"state_unread" in answer[1]:
            answer = self.ask(f"/api/{verb}", {"reason": "a test", "actor": "kill"})
        reported = bool(answer) and answer[0] == 200
        if reported:
            self.webhook.wait_for(event, life)
        return True, reported

    def status(self):
        return json.loads(self.ask("/api/status")[1])

    def rollbacks(self):
        """The ids of the journal's lines of rollbacks; a torn line is none."""
        ids = []
        for line in (self.folder / "s.journal").read_text().split("\n"):
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry["event"] == "rolled_back":
                ids.append(entry["id"])
        return ids


def after_rollback(place, life, asked, reported):
    """What must hold when a rollback was cut."""
    holds = place.status()["state"] == "rolled_back"
    assert holds or not reported, "a reported rollback is forgotten"
    assert asked or not holds, "nobody asked for a rollback"
    if holds:
        place.webhook.wait_for("rolled_back", life)
    lines = place.rollbacks()
    assert len(lines) == holds, f"{len(lines)} lines for {int(holds)} rollbacks"
    assert place.webhook.ids("rolled_back") == set(lines), "told under another id"


def after_rearm(place, _, asked, reported):
    """What must hold when a re-arm was cut."""
    status = place.status()
    holds = status["state"] == "rolled_back"
    assert not (holds and reported), "a reported re-arm is forgotten"
    assert asked or holds, "nobody asked for a re-arm"
    assert status["attempt"] == (1 if holds else 2), f"attempt {status['attempt']}"
    lines = place.rollbacks()
    assert len(lines) == 1, f"{len(lines)} lines for one rollback"
    assert place.webhook.ids("rolled_back") == set(lines), "told under another id"


def story(name, library, verb, event, check, prepare):
    """Cuts one story at every place."""
    for cut_at in range(1, 1000):
        with tempfile.TemporaryDirectory(prefix="crossfade-kill-") as folder:
            place = Place(folder, library)
            prepare(place)
            life = place.start(cut_at)
            asked, reported = place.act(life, verb, event)
            killed = life.stop()
            life = place.start()
            try:
                assert place.ready(life), "it does not start again"
                # All that a crash left to write is written with the journal's first line.
                while b"\ncrossfade_journal_healthy 1\n" not in place.ask("/metrics")[1]:
                    pass
                json.loads((place.folder / "s.json").read_text())
                check(place, life, asked, reported)
            except AssertionError as why:
                journal = (place.folder / "s.journal").read_text()
                sys.exit(f"✗ {name}, killed before change {cut_at}: {why}\n{journal}")
            finally:
                life.stop()
        if not killed:
            assert reported, "the whole story was not told"
            assert cut_at > 10, f"only {cut_at - 1} changes were seen"
            print(f"✓ {name}: killed before each of {cut_at - 1} changes, and after the last")
            return
    sys.exit(f"✗ {name}: it never ends")


def roll_back(place):
    """A whole rollback, to begin with."""
    life = place.start()
    assert place.act(life, "rollback", "rolled_back") == (True, True), "the rollback before the re-arm"
    life.stop()


def main():
    with tempfile.TemporaryDirectory(prefix="crossfade-cut-") as folder:
        library = pathlib.Path(folder) / "cut.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, HERE / "cut.c"], check=True)
        story("a rollback at the first start", library, "rollback", "rolled_back", after_rollback, lambda _: None)
        story("a re-arm", library, "rearm", "rearmed", after_rearm, roll_back)


main()
