"""Sends every recorded Converse body to a strict Bedrock that is a server, signed by botocore.

    python service.py SERVER FOLDER SOURCE...

SERVER is the script of an emulator of the service that takes `--port`, `--access-key`,
`--secret-key` and `--region`, checks what it is sent against botocore's model and answers as the
service does: 200, or an error with its reasons. A second opinion beside `judge`, by somebody else.
"""

import collections
import http.client
import pathlib
import socket
import subprocess
import sys
import time
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from judge import SHOWN, bodies

KEYS = ("strict-access-key-id", "strict-secret-access-key")
REGION = "us-east-1"

# A hang guard, in seconds.
PATIENCE = 30

# What such a server may refuse although AWS's page of supported models and features grants it: rules
# that differ by family are where two readers differ. Each entry is a model and the refusal's words.
KNOWN_BETTER = [
    ("deepseek.v3", "doesn't support tool use"),
    ("kimi-k2-thinking", "doesn't support the outputConfig.textFormat"),
    ("openai.gpt-5", "doesn't support the image content block"),
    # Native schemas that an operator switches on for a model (`capabilities:`).
    ("claude-opus-4-8", "doesn't support the outputConfig.textFormat"),
    ("claude-sonnet-5", "doesn't support the outputConfig.textFormat"),
    ("claude-haiku-5-5", "doesn't support the outputConfig.textFormat"),
    ("gemma-3", "doesn't support the outputConfig.textFormat"),
    ("llama4", "doesn't support the image content block"),
]


def start(server):
    """A running server and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--port", str(port), "--access-key", KEYS[0], "--secret-key", KEYS[1]]
    process = subprocess.Popen(
        [sys.executable, "-B", str(server), *arguments, "--region", REGION],
        cwd=server.parent,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process, port
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    process.kill()
    sys.exit(f"FAILED  {server} does not listen")


def refusal(connection, port, operation, model, body):
    """What the server says against a request; none is none."""
    path = f"/model/{urllib.parse.quote(model, safe='')}/{operation}"
    request = AWSRequest(
        method="POST",
        url=f"http://127.0.0.1:{port}{path}",
        data=body,
        headers={"Content-Type": "application/json", "Host": f"127.0.0.1:{port}"},
    )
    SigV4Auth(Credentials(*KEYS), "bedrock", REGION).add_auth(request)
    connection.request("POST", path, body=body, headers=dict(request.headers.items()))
    response = connection.getresponse()
    answer = response.read()
    if response.status == 200:
        return None
    return f"{response.status} {answer.decode('utf-8', 'replace')}"


def main():
    server, folder, *sources = sys.argv[1:]
    process, port = start(pathlib.Path(server).resolve())
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    taken = total = disputed = 0
    reasons = collections.Counter()
    try:
        for source in sources:
            counts = collections.Counter(bodies(folder, source))
            passed = 0
            for (operation, model, body), count in counts.items():
                why = refusal(connection, port, operation, model, body)
                if why is None:
                    passed += count
                elif any(part in model and words in why for part, words in KNOWN_BETTER):
                    disputed += count
                else:
                    reasons[why] += count
                    if len(reasons) <= SHOWN and reasons[why] == count:
                        print(f"REFUSED {source}: {model}: {why}\n        {body[:2000]!r}")
            print(f"{source:<11} accepted {passed:,} of {counts.total():,}")
            taken, total = taken + passed, total + counts.total()
    finally:
        process.terminate()
        process.wait(PATIENCE)
    print(f"all         accepted {taken:,} of {total:,}", end="")
    print(f"; {disputed:,} refused against AWS's own page of supported features", flush=True)
    sys.exit(taken + disputed < total)


if __name__ == "__main__":
    main()
