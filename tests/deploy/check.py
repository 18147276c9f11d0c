"""Checks deploy/ against what knows each format.

Kubernetes manifests against the API's own schema, the task definition against AWS' model of ECS, the
policies (and those that `crossfade check --iam` prints) against the published list of IAM actions, resources
and condition keys, the unit by systemd, the Dockerfile by hadolint, and every rollout.yaml in them by the
crossfade binary whose path is the argument. The schema that this binary prints is checked against its own,
and judges those files and mistyped ones beside it. Prints one line per check; exits 1 if one failed.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import botocore.loaders
import botocore.model
import botocore.validate
import jsonschema
import kubernetes_validate
import yaml
from policy_sentry.querying.actions import get_action_data
from policy_sentry.querying.conditions import get_condition_keys_for_service

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = "1.32"
STATE = "/var/lib/crossfade/state.json"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["crossfade"]
CROSSFADE = pathlib.Path(sys.argv[1]).resolve()

passed = failed = 0


def check(name, problems):
    """Tells of one check; `problems` is empty if all is well."""
    global passed, failed
    if problems:
        failed += 1
        print(f"FAILED  {name}")
        for problem in problems:
            print(f"        {problem}")
    else:
        passed += 1
        print(f"ok      {name}")


def kubernetes(path):
    """Every manifest of a file, strictly: an unknown field is a mistake."""
    for manifest in yaml.safe_load_all(path.read_text()):
        name = f"{path.name}: {manifest['kind']} {manifest['metadata']['name']}"
        try:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
            check(name, [])
        except kubernetes_validate.ValidationError as error:
            place = "/".join(str(step) for step in error.path)
            check(name, [f"{place}: {error.message}"])
        if manifest["kind"] == "ConfigMap":
            crossfade_check(f"{name}: rollout.yaml", manifest["data"]["rollout.yaml"])
        if manifest["kind"] in ("Deployment", "StatefulSet"):
            pod = manifest["spec"]["template"]["spec"]
            check(f"{name}: mounts", dangling_mounts(pod, manifest["spec"]))
            [own] = [one for one in pod.get("initContainers", []) + pod["containers"] if one["name"] == "crossfade"]
            variables = {each["name"]: each.get("value") for each in own["env"]}
            check(f"{name}: state", misplaced(variables, own["volumeMounts"], "mountPath"))


def dangling_mounts(pod, spec):
    """Mounts of a volume that no one declares: the schema does not see them."""
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    volumes |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
    containers = pod.get("initContainers", []) + pod["containers"]
    mounts = {mount["name"] for one in containers for mount in one.get("volumeMounts", [])}
    return [f"no volume {name}" for name in sorted(mounts - volumes)]


def misplaced(variables, mounts, key):
    """Whether the state is named outside of rollout.yaml, as all of them name it, and on a volume."""
    state = variables.get("CROSSFADE_STATE")
    problems = [] if state == STATE else [f"CROSSFADE_STATE is {state}, not {STATE}"]
    kept = any(str(pathlib.Path(STATE).parent) == mount[key] for mount in mounts)
    return problems if kept else [*problems, f"no volume for {STATE}"]


def images():
    """The image, the compose file and the unit name the state outside of rollout.yaml too."""
    told = {
        "Dockerfile": re.findall(r"^ENV CROSSFADE_STATE=(.*)$", (ROOT / "Dockerfile").read_text(), re.M),
        "crossfade.service": re.findall(
            r"^Environment=CROSSFADE_STATE=(.*)$", (DEPLOY / "systemd/crossfade.service").read_text(), re.M),
        "docker-compose.yml": [COMPOSE["environment"].get("CROSSFADE_STATE")],
    }
    for name, states in told.items():
        check(f"{name}: state", [] if states == [STATE] else [f"CROSSFADE_STATE is {states}, not {STATE}"])
    for file in sorted((DEPLOY / "compose").glob("*/rollout.yaml")):
        crossfade_check(f"{file.parent.name}/rollout.yaml", file.read_text())


def health(name, command):
    """Whether a health check is a command of crossfade's."""
    done = subprocess.run([CROSSFADE, *command, "--help"], capture_output=True, text=True)
    asks = command[0] == "health" and done.returncode == 0
    check(f"{name}: health check", [] if asks else [f"{command}: {done.stderr}"])


def crossfade_check(name, text):
    """`crossfade check` of a rollout.yaml, and what the schema says of it."""
    check(name, refusals(text))
    check(f"{name}, by the schema", complaints(text))


def refusals(text):
    """Why crossfade refuses a rollout.yaml."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "rollout.yaml")
        file.write_text(text)
        # As the manifests name it: another `state` in the file is a mistake.
        env = os.environ | {"CROSSFADE_STATE": STATE} if "/var/lib" in text else None
        done = subprocess.run([CROSSFADE, "check", file], capture_output=True, text=True, env=env)
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def complaints(text):
    """What an editor finds wrong with a rollout.yaml."""
    found = jsonschema.Draft7Validator(SCHEMA).iter_errors(yaml.safe_load(text))
    return [f"{error.json_path}: {error.message}" for error in found]


def schema():
    """The schema is one, and tells good files from mistyped ones."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    check("rollout.schema.json: a schema of draft 7", [])
    example = (ROOT / "rollout.yaml").read_text()
    crossfade_check("rollout.yaml", example)
    for right, wrong in TYPING_MISTAKES:
        text = example.replace(f"  {right}", f"  {wrong}", 1)
        missed = [who for who, found in (("crossfade", refusals(text)), ("the schema", complaints(text)))
                  if not found]
        check(f"rollout.yaml with {wrong}: refused", [f"not by {who}" for who in missed])


# Each in the place of what is right in the example.
TYPING_MISTAKES = [
    ("percent: 5", "percentage: 5"),
    ("percent: 5", "percent: 101"),
    ("advance: manual", "advance: soon"),
    ("sticky: conversation", "sticky: ip"),
    ("bake: 30m", "bake: 30"),
    ("bake: 30m", "bake: 30 parsecs"),
    ("bake: 30m", "bake: 59s"),
    ("error_bound: 2%", "error_bound: 2"),
    ("error_bound: 2%", "error_bound: 50.01%"),
    ("min_calls: 500", "min_calls: 500.5"),
    ("gates: []", "gates: [nobody]"),
    ("url: https", "url: ftp"),
    ("gpt-4o-mini: amazon", "gpt-4o-mini: 5 #"),
    ("on_throttle: rollback", "on_throttle: off"),
]


def task_definition(path):
    """The input of ECS' RegisterTaskDefinition, by AWS' own model."""
    definition = json.loads(path.read_text())
    model = botocore.loaders.Loader().load_service_model("ecs", "service-2")
    shape = botocore.model.ServiceModel(model).operation_model("RegisterTaskDefinition").input_shape
    report = botocore.validate.ParamValidator().validate(definition, shape)
    problems = [report.generate_report()] if report.has_errors() else []
    check(f"{path.name}: RegisterTaskDefinition", problems + unknown_values(definition, shape))
    volumes = {volume["name"] for volume in definition["volumes"]}
    mounts = {
        mount["sourceVolume"]
        for one in definition["containerDefinitions"]
        for mount in one.get("mountPoints", [])
    }
    check(f"{path.name}: mounts", [f"no volume {name}" for name in sorted(mounts - volumes)])
    [own] = [one for one in definition["containerDefinitions"] if one["name"] == "crossfade"]
    variables = {each["name"]: each["value"] for each in own["environment"]}
    check(f"{path.name}: state", misplaced(variables, own["mountPoints"], "containerPath"))
    health(path.name, own["healthCheck"]["command"][2:])


def unknown_values(value, shape, place=""):
    """Values outside an enumeration: botocore leaves those to the service."""
    if shape.type_name == "structure":
        pairs = [(shape.members[key], inner, f"{place}.{key}") for key, inner in value.items()
                 if key in shape.members]
    elif shape.type_name == "list":
        pairs = [(shape.member, inner, f"{place}[{index}]") for index, inner in enumerate(value)]
    elif shape.type_name == "map":
        pairs = [(shape.value, inner, f"{place}[{key}]") for key, inner in value.items()]
    else:
        allowed = getattr(shape, "enum", None)
        return [f"{place}: {value} is none of {allowed}"] if allowed and value not in allowed else []
    return [problem for one, inner, at in pairs for problem in unknown_values(inner, one, at)]


def policy(checked, text):
    """Actions, their resources and condition keys, by the published list."""
    problems = []
    for statement in json.loads(text)["Statement"]:
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            service, name = action.split(":")
            known = get_action_data(service, name)
            if not known:
                problems.append(f"{action} is no action")
                continue
            formats = [row["resource_arn_format"] for row in known[service]]
            keys = get_condition_keys_for_service(service)
            keys += [key for row in known[service] for key in row["condition_keys"]]
            if "Resource" in statement:
                resources = statement["Resource"]
                for resource in [resources] if isinstance(resources, str) else resources:
                    if not fits_one(resource, formats):
                        problems.append(f"{action} knows no resource {resource}: {formats}")
            for tests in statement.get("Condition", {}).values():
                problems += [f"no condition key {key}" for key in tests
                             if not key.startswith("aws:") and key not in keys]
    check(checked, problems)


# A mapping of each kind, with what makes a family of an ARN.
OWN = "arn:aws:bedrock:us-east-1:111122223333:"
EVERY_KIND = {
    "model": "amazon.nova-lite-v1:0",
    "profile": "us.amazon.nova-pro-v1:0",
    "global": "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "model-arn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
    "profile-arn": f"{OWN}inference-profile/us.amazon.nova-lite-v1:0",
    "own-profile": f"{OWN}application-inference-profile/abc",
    "router": f"{OWN}default-prompt-router/anthropic.claude:1",
    "provisioned": f"{OWN}provisioned-model/abcdefghijkl",
    "deployment": f"{OWN}custom-model-deployment/abcdefghijkl",
    "import": f"{OWN}imported-model/abcdefghijkl",
    "endpoint": "arn:aws:sagemaker:us-east-1:111122223333:endpoint/mine",
}


def printed_policies():
    """What `crossfade check --iam` prints for each kind of model, and with an API key for all."""
    base = {"original": {"url": "https://api.openai.com"}}
    for kind, model in [*EVERY_KIND.items(), ("all", None)]:
        models = EVERY_KIND if model is None else {kind: model}
        mappings = {name: {"model": one, "family": "nova-pro"} for name, one in models.items()}
        config = base | {"bedrock": {"region": "us-east-1", "models": mappings}}
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "rollout.yaml")
            file.write_text(yaml.safe_dump(config))
            env = {"AWS_BEARER_TOKEN_BEDROCK": "x"} if model is None else {}
            done = subprocess.run([CROSSFADE, "check", "--iam", file], capture_output=True, text=True, env=env)
        if done.returncode == 0:
            policy(f"check --iam, {kind}", done.stdout)
        else:
            check(f"check --iam, {kind}", [done.stderr])


def fits(resource, form):
    """Whether an ARN is of a form such as arn:${Partition}:bedrock:${Region}::foundation-model/${ModelId}."""
    pattern = re.sub(r"\\\$\\\{[^}]*\\\}", "[^/]*", re.escape(form))
    return form != "*" and re.fullmatch(pattern, resource) is not None


def fits_one(resource, forms):
    """Whether an ARN is of one of the forms; an action that is of none takes `*` alone."""
    return resource == "*" if set(forms) == {"*"} else any(fits(resource, one) for one in forms)


def unit(path):
    """The unit as systemd reads it, in a root that has the binary."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for place, text in [
            ("usr/local/bin/crossfade", "#!/bin/sh\n"),
            ("etc/systemd/system/crossfade.service", path.read_text()),
            # What it is ordered after, and what systemd adds to every service.
            *((f"usr/lib/systemd/system/{name}", "[Unit]\nDescription=stand-in\n") for name in (
                "network-online.target", "sysinit.target", "basic.target", "shutdown.target",
                "multi-user.target", "tmp.mount", "-.mount", "system.slice")),
        ]:
            file = root / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        (root / "usr/local/bin/crossfade").chmod(0o755)
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", f"--root={root}", "crossfade.service"],
            capture_output=True, text=True,
        )
    said = [line for line in (done.stdout + done.stderr).splitlines() if "crossfade" in line]
    check(path.name, said if said or done.returncode == 0 else [done.stderr])


def dockerfile(path):
    """By hadolint, which comes with this interpreter's packages."""
    linter = pathlib.Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, path], capture_output=True, text=True)
    check(path.name, [done.stdout + done.stderr] if done.returncode else [])


SCHEMA = json.loads(subprocess.run([CROSSFADE, "schema"], capture_output=True, check=True).stdout)
schema()
for manifest_file in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
    kubernetes(manifest_file)
task_definition(DEPLOY / "ecs/task-definition.json")
for policy_file in sorted((DEPLOY / "iam").glob("*.json")):
    policy(policy_file.name, policy_file.read_text())
printed_policies()
unit(DEPLOY / "systemd/crossfade.service")
dockerfile(ROOT / "Dockerfile")
images()
health("docker-compose.yml", COMPOSE["healthcheck"]["test"][2:])
[image_health] = re.findall(r'^ +CMD (\[.*\])$', (ROOT / "Dockerfile").read_text(), re.M)
health("Dockerfile", json.loads(image_health)[1:])
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
