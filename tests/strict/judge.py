"""Judges every Converse body that the tests made: would Bedrock take it?

    python judge.py FOLDER SOURCE...

FOLDER holds a file `SOURCE.jsonl` for each source of bodies, as `Recorder` of the emulators writes
it. Every body is held against botocore's service model and against the rules of a conversation; what
either refuses is printed with its reasons, and the exit code is 1. A source without a body is a
failure: it would be a check that checks nothing.
"""

import base64
import collections
import json
import pathlib
import sys

import conversation
import faults
import service_model

# So many refused bodies are printed in full.
SHOWN = 20


def bodies(folder, source):
    """The recorded requests of a source."""
    file = pathlib.Path(folder, f"{source}.jsonl")
    if not file.exists():
        return
    with file.open() as lines:
        for line in lines:
            record = json.loads(line)
            body = base64.b64decode(record["body"], validate=True)
            yield record["operation"], record["model"], body


def reasons(operation, model, body):
    """Why the service would refuse a request; none is none."""
    try:
        request = service_model.read(body)
    except ValueError as error:
        return [f"SerializationException: {error}"]
    found = list(service_model.violations(operation, model, request))
    # The rules read a request whose shape is right.
    streamed = operation == "converse-stream"
    return found or list(conversation.violations(model, request, streamed))


def judge(folder, source, shown):
    """Whether all bodies of a source are taken, of which there must be one."""
    counts = collections.Counter(bodies(folder, source))
    taken = 0
    for (operation, model, body), count in counts.items():
        found = reasons(operation, model, body)
        taken += 0 if found else count
        if found and len(shown) < SHOWN:
            shown.append(found)
            print(f"REFUSED {source}: {model}: {'; '.join(found)}\n        {body[:2000]!r}")
    total = counts.total()
    print(f"{source:<11} accepted {taken:,} of {total:,} ({len(counts):,} different)")
    if not total:
        print(f"FAILED  no body of {source} was recorded")
    return taken, total


def main():
    folder, *sources = sys.argv[1:]
    found, faulty = faults.check()
    print(f"the judge   refuses {found} of {faulty} faults, {len(conversation.RULES)} rules")
    shown = []
    results = [judge(folder, source, shown) for source in sources]
    taken, total = (sum(column) for column in zip(*results))
    print(f"all         accepted {taken:,} of {total:,}", flush=True)
    sys.exit(found < faulty or taken < total or not all(total for _, total in results))


if __name__ == "__main__":
    main()
