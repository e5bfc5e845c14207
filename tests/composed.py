"""Compose files as Docker would see them: tags, variables, `extends`, one over another.

Only what these files use of the Compose specification is done here.
"""

import copy
import functools
import json
import re
from importlib import metadata
from pathlib import Path

import yaml

__all__ = ["FOLDER", "composed", "loaded", "schema"]

FOLDER = Path(__file__).parents[1] / "deploy" / "compose"
VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::-([^}]*))?\})")
# What a later file replaces; everything else of a service is merged.
REPLACED = {"command", "entrypoint", "test"}


class Override(list):
    """A list that replaces the one before it (`!override`)."""


class Loader(yaml.SafeLoader):
    """YAML with Compose's own tag."""


Loader.add_constructor(
    "!override", lambda loader, node: Override(loader.construct_sequence(node))
)


def loaded(name):
    return copy.deepcopy(_parsed(name))


@functools.cache
def _parsed(name):
    return yaml.load((FOLDER / name).read_text(), Loader)  # noqa: S506 a safe loader


def schema():
    """Return the JSON schema of the Compose specification, from check-jsonschema."""
    package = metadata.distribution("check-jsonschema")
    path = "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
    return json.loads(Path(package.locate_file(path)).read_text())


def composed(*names, environ=None):
    """Return the model that these files make together."""
    model = {}
    for name in names:
        model = _merged(model, _extended(loaded(name)))
    return _interpolated(model, environ or {})


def _extended(model):
    for service in model["services"].values():
        base = service.pop("extends", None)
        if base:
            first = copy.deepcopy(loaded(base["file"])["services"][base["service"]])
            own = dict(service)
            service.clear()
            service.update(_merged(first, own))
    return model


def _merged(before, after):
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        return {
            key: after[key]
            if key not in before or (key in REPLACED and key in after)
            else _merged(before[key], after[key])
            if key in after
            else before[key]
            for key in keys
        }
    if isinstance(after, Override):
        return list(after)
    if isinstance(before, list) and isinstance(after, list):
        return [*before, *(item for item in after if item not in before)]
    return after


def _interpolated(value, environ):
    if isinstance(value, dict):
        return {key: _interpolated(inner, environ) for key, inner in value.items()}
    if isinstance(value, list):
        return [_interpolated(inner, environ) for inner in value]
    if not isinstance(value, str):
        return value

    def replaced(match):
        name, default = match.groups()
        return environ.get(name, default or "") if name else "$"

    return VARIABLE.sub(replaced, value)
