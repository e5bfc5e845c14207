"""Kustomize in small: what these files use of it, to see what a cluster gets.

`kubectl kustomize` gives the same, but for the hash behind the name of a generated map.
"""

import copy
import re
from pathlib import Path

import yaml

__all__ = ["FOLDER", "built"]

FOLDER = Path(__file__).parents[1] / "deploy" / "kubernetes"
KNOWN = {
    "apiVersion",
    "kind",
    "namespace",
    "labels",
    "resources",
    "components",
    "configMapGenerator",
    "images",
    "patches",
}
TEMPLATED = {"StatefulSet", "Deployment", "Job"}
CLUSTER_WIDE = {"Namespace"}


def built(folder, before=()):
    """Return the objects of a kustomization, after what a component is added to."""
    path = Path(folder) / "kustomization.yaml"
    kustomization = yaml.safe_load(path.read_text())
    assert kustomization.keys() <= KNOWN, path
    objects = copy.deepcopy(list(before))
    for name in kustomization.get("resources", []):
        source = (path.parent / name).resolve()
        if source.is_dir():
            objects += built(source)
        else:
            objects += [each for each in yaml.safe_load_all(source.read_text()) if each]
    for name in kustomization.get("components", []):
        objects = built((path.parent / name).resolve(), objects)
    for generator in kustomization.get("configMapGenerator", []):
        _generate(generator, path.parent, objects)
    for patch in kustomization.get("patches", []):
        _patch(patch, path.parent, objects)
    for labels in kustomization.get("labels", []):
        _label(labels, objects)
    for image in kustomization.get("images", []):
        _tag(image, objects)
    if "namespace" in kustomization:
        for each in objects:
            if each["kind"] not in CLUSTER_WIDE:
                each["metadata"]["namespace"] = kustomization["namespace"]
    return objects


def _generate(generator, folder, objects):
    data = dict(literal.split("=", 1) for literal in generator.get("literals", []))
    for name in generator.get("files", []):
        key, _, path = name.rpartition("=")
        data[key or Path(path).name] = (folder / path).read_text()
    there = [
        each
        for each in objects
        if (each["kind"], each["metadata"]["name"]) == ("ConfigMap", generator["name"])
    ]
    if generator.get("behavior") == "merge":
        (found,) = there
        found["data"] |= data
        return
    assert not there
    metadata = {"name": generator["name"]}
    objects.append(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    )


def _patch(patch, folder, objects):
    text = patch.get("patch") or (folder / patch["path"]).read_text()
    change = yaml.safe_load(text)
    target = patch.get("target") or {
        "kind": change["kind"],
        "name": re.escape(change["metadata"]["name"]),
    }
    hit = False
    for each in objects:
        name = re.fullmatch(target.get("name", ".*"), each["metadata"]["name"])
        if each["kind"] == target["kind"] and name:
            hit = True
            if isinstance(change, list):
                for step in change:
                    _step(each, step)
            else:
                _merge(each, change)
    assert hit, f"a patch of {folder} hits nothing: {target}"


def _step(target, step):
    *way, last = step["path"].strip("/").split("/")
    for word in way:
        target = target[int(word) if isinstance(target, list) else word]
    if isinstance(target, list) and last != "-":
        last = int(last)
        assert step["op"] == "replace", step
        target[last] = step["value"]
    elif step["op"] == "add" and last == "-":
        target.append(step["value"])
    elif step["op"] == "remove":
        del target[last]
    else:
        assert step["op"] == "add" or last in target, step
        target[last] = step["value"]


def _merge(target, change):
    for key, value in change.items():
        if isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        elif isinstance(value, list) and value and "name" in value[0]:
            there = {each["name"]: each for each in target.get(key, [])}
            for item in value:
                _merge(there.setdefault(item["name"], {}), item)
            # What the patch names stands first, as Kustomize has it.
            names = [item["name"] for item in value]
            rest = [name for name in there if name not in names]
            target[key] = [there[name] for name in (*names, *rest)]
        else:
            target[key] = value


def _label(labels, objects):
    assert labels["includeTemplates"]
    assert not labels["includeSelectors"]
    for each in objects:
        each["metadata"].setdefault("labels", {}).update(labels["pairs"])
        if each["kind"] in TEMPLATED:
            metadata = each["spec"]["template"]["metadata"]
            metadata.setdefault("labels", {}).update(labels["pairs"])


def _tag(image, objects):
    hit = False
    for each in objects:
        if each["kind"] in TEMPLATED:
            for container in each["spec"]["template"]["spec"]["containers"]:
                if container["image"] == image["name"]:
                    container["image"] = f"{image['name']}:{image['newTag']}"
                    hit = True
    assert hit, image
