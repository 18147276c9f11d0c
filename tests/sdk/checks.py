"""What the Python suites share: registering checks, running them, steering an emulator.

A suite is a list of functions marked with `@check("what must hold")`. `main()` runs them one after
the other, prints a line for each and exits 1 if any failed. Names on the command line choose checks
whose sentence contains them.
"""

import asyncio
import inspect
import json
import os
import sys
import time
import traceback
import urllib.request

_CHECKS = []

# A hang guard, in seconds; nothing that works comes near it.
PATIENCE = 30


def check(sentence):
    """Registers a function, sync or async, as the proof of `sentence`."""

    def register(function):
        _CHECKS.append((sentence, function))
        return function

    return register


def equal(found, wanted, what="value"):
    """Fails with both values unless they are equal."""
    if found != wanted:
        raise AssertionError(f"{what}: found {found!r}, wanted {wanted!r}")


def raises(kind, function, *arguments, **keywords):
    """The exception of `kind` that calling `function` raises; fails if it raises none."""
    try:
        result = function(*arguments, **keywords)
    except kind as error:
        return error
    raise AssertionError(f"wanted {kind.__name__}, nothing was raised: {result!r}")


def url(variable):
    """A base URL that the harness passes in the environment."""
    value = os.environ.get(variable)
    if not value:
        sys.exit(f"{variable} is not set; these suites are started by tests/run")
    return value


class Emulator:
    """The control calls of an emulator."""

    def __init__(self, base):
        self._base = base

    def plays(self, behaviour, **rule):
        """Adds a rule behind the others."""
        self._call("POST", "behaviour", {"behaviour": behaviour, **rule})

    def requests(self):
        """What was received since the last reset, oldest first."""
        return self._call("GET", "requests")["requests"]

    def only_request(self):
        """The one request that was received."""
        requests = self.requests()
        equal(len(requests), 1, "requests")
        return requests[0]

    def wait_for(self, condition):
        """Returns when the received requests satisfy `condition`."""
        deadline = time.monotonic() + PATIENCE
        while not condition(requests := self.requests()):
            if time.monotonic() > deadline:
                raise AssertionError(f"the emulator still has {requests!r}")

    def refuse_connections(self):
        """Stops listening until the next reset."""
        self._call("POST", "listening", {"listening": False})

    def reset(self):
        """No behaviour, nothing received, listening."""
        self._call("DELETE", "behaviour")
        self._call("POST", "release")
        self._call("POST", "listening", {"listening": True})
        self._call("DELETE", "requests")

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self._base}/__emulator/{path}", data=data, method=method
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.load(response)


def main(*emulators):
    """Runs the checks, resetting the emulators before each."""
    chosen = [
        (sentence, function)
        for sentence, function in _CHECKS
        if not sys.argv[1:] or any(part in sentence for part in sys.argv[1:])
    ]
    failed = 0
    for sentence, function in chosen:
        for emulator in emulators:
            emulator.reset()
        try:
            if inspect.iscoroutinefunction(function):
                asyncio.run(asyncio.wait_for(function(), PATIENCE))
            else:
                function()
        except Exception:
            failed += 1
            print(f"FAILED  {sentence}\n{traceback.format_exc()}", flush=True)
        else:
            print(f"ok      {sentence}", flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} checks passed", flush=True)
    sys.exit(1 if failed or not chosen else 0)
