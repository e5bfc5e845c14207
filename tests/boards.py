"""The dashboards as they are written, and every query in them."""

import json
import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / "deploy" / "grafana"
BOARDS = {
    path.stem: json.loads(path.read_text())
    for path in sorted((FOLDER / "dashboards").glob("*.json"))
}


class Asked(NamedTuple):
    """A query of a dashboard: where it stands, and the labels its legend uses."""

    place: str
    expr: str
    labels: frozenset[str]


def panels(board):
    """Return the panels of a dashboard that show something; rows are headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def labels_of(legend):
    """Return the labels in a legend.

    >>> sorted(labels_of("{{job}} at {{instance}}"))
    ['instance', 'job']
    """
    return frozenset(re.findall(r"{{\s*(\w+)\s*}}", legend))


def panel_queries(name):
    """Return the queries of a dashboard's panels."""
    return [
        Asked(
            f"{name}: {panel['title']} {target['refId']}",
            target["expr"],
            labels_of(target["legendFormat"]),
        )
        for panel in panels(BOARDS[name])
        for target in panel["targets"]
    ]


def annotation_queries(name):
    """Return the queries of a dashboard's annotations."""
    return [
        Asked(
            f"{name}: annotation {entry['name']}",
            entry["expr"],
            labels_of(entry["textFormat"]),
        )
        for entry in BOARDS[name]["annotations"]["list"]
    ]


def variables(name):
    """Return the variables of a dashboard by name."""
    return {entry["name"]: entry for entry in BOARDS[name]["templating"]["list"]}
