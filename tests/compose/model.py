"""docker-compose.yml as Compose reads it: variables, several files, profiles.

Only what the files here use, by the Compose specification's rules for interpolation and merging; a
construct that is not known here is refused, so that nothing is read otherwise than Compose would.
"""

import re

import yaml

# A list of these is replaced by an override's; every other one grows.
REPLACED = {"command", "entrypoint", "test"}

# Lists of mounts and ports: entries with the same key replace each other.
UNIQUE = {
    "volumes": lambda entry: entry.split(":")[1],
    "ports": lambda entry: entry,
}


def load(files, environment):
    """The merged model of `files`, with `environment` for its variables."""
    model = {}
    for file in files:
        text = yaml.safe_load(file.read_text())
        model = merged(model, interpolated(text, environment))
    return {key: value for key, value in model.items() if not key.startswith("x-")}


def interpolated(value, environment):
    """Variables filled in, in values only, as Compose does."""
    if isinstance(value, dict):
        return {key: interpolated(inner, environment) for key, inner in value.items()}
    if isinstance(value, list):
        return [interpolated(inner, environment) for inner in value]
    if not isinstance(value, str):
        return value

    def fill(found):
        name, operator, rest = found.group("name", "operator", "rest")
        given = environment.get(name, "")
        if given or operator == ":-":
            return given or rest
        if operator == ":?":
            raise KeyError(f"{name}: {rest}")
        raise ValueError(f"not known here: {found.group()}")

    return re.sub(r"\$\{(?P<name>\w+)(?P<operator>:-|:\?)?(?P<rest>[^}]*)\}", fill, value)


def merged(base, over, key=None):
    """`over` on `base`."""
    if isinstance(base, dict) and isinstance(over, dict):
        names = list(base) + [name for name in over if name not in base]
        return {
            name: merged(base[name], over[name], name) if name in base and name in over
            else base.get(name, over.get(name))
            for name in names
        }
    if isinstance(base, list) and isinstance(over, list) and key not in REPLACED:
        unique = UNIQUE.get(key, lambda entry: entry)
        entries = {unique(entry): entry for entry in base}
        entries.update({unique(entry): entry for entry in over})
        return list(entries.values())
    return over


def active(model, profiles=()):
    """The services that start with these profiles."""
    return {
        name: service for name, service in model["services"].items()
        if not service.get("profiles") or set(service["profiles"]) & set(profiles)
    }


def mounts(service):
    """Source, target and whether it is writable, of each volume."""
    for entry in service.get("volumes", []):
        source, target, *mode = entry.split(":")
        yield source, target, mode != ["ro"]


def published(service):
    """Address, host port and container port of each published port."""
    for entry in service.get("ports", []):
        address, host, container = entry.split(":")
        yield address, int(host), int(container)
