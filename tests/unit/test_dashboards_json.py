"""The dashboards are current, valid, and keep the rules of a good one."""

import json
import re
from copy import deepcopy
from itertools import combinations

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.__main__ import FOLDER, rendered
from tests.boards import (
    BOARDS,
    annotation_queries,
    labels_of,
    panel_queries,
    panels,
    variables,
)
from tests.declared import metrics_asked_for, metrics_declared

boards = pytest.mark.parametrize("name", sorted(BOARDS))
shown = pytest.mark.parametrize(
    ("name", "panel"),
    [(name, panel) for name, board in BOARDS.items() for panel in panels(board)],
    ids=lambda value: value["title"] if isinstance(value, dict) else value,
)
asked = pytest.mark.parametrize(
    "query",
    [query for name in BOARDS for query in panel_queries(name)],
    ids=lambda query: query.place,
)
# What Grafana's Prometheus source knows of an annotation, and the SDK does not.
BEYOND_THE_MODEL = ("titleFormat", "textFormat", "useValueForTime")
KNOWN_UNITS = {value for value in vars(units).values() if isinstance(value, str)}


def test_files_are_what_make_dashboards_writes():
    written = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert rendered() == written, "run `make dashboards`"


@boards
def test_json_is_that_of_the_model(name):
    register_default_plugins()
    board = deepcopy(BOARDS[name])
    for annotation in board["annotations"]["list"]:
        for key in BEYOND_THE_MODEL:
            del annotation[key]
    decoded = Dashboard.from_json(board)
    assert board == json.loads(json.dumps(decoded, cls=JSONEncoder))


@boards
def test_dashboard_is_known_by_a_uid_that_stays(name):
    assert f"smartmeter-{name}" == BOARDS[name]["uid"]
    assert "id" not in BOARDS[name]
    assert BOARDS[name]["description"]
    assert BOARDS[name]["editable"] is False
    assert ["smartmeter"] == BOARDS[name]["tags"]
    assert ["smartmeter"] == BOARDS[name]["links"][0]["tags"]


@boards
def test_source_job_and_instance_can_be_chosen(name):
    known = variables(name)
    assert "prometheus" == known["datasource"]["query"]
    for variable in ("job", "instance"):
        assert known[variable]["multi"]
        assert ".+" == known[variable]["allValue"]
        assert {"type": "prometheus", "uid": "${datasource}"} == known[variable][
            "datasource"
        ]
        wanted = known[variable]["query"]["query"]
        assert wanted.startswith("label_values(")
        assert metrics_asked_for(wanted.partition("(")[2]) <= metrics_declared() | {""}
    assert all(entry["label"] and entry["description"] for entry in known.values())


@boards
def test_panels_have_ids_of_their_own_and_do_not_overlap(name):
    board = BOARDS[name]
    numbers = [panel["id"] for panel in board["panels"]]
    assert sorted(set(numbers)) == numbers
    titles = [panel["title"] for panel in panels(board)]
    assert sorted(set(titles)) == sorted(titles)
    for one, other in combinations([p["gridPos"] for p in board["panels"]], 2):
        beside = (
            one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        )
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
    assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in board["panels"])


@shown
def test_panel_says_what_it_shows_and_in_which_unit(name, panel):
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in KNOWN_UNITS
    assert {"type": "prometheus", "uid": "${datasource}"} == panel["datasource"]
    assert panel["type"] in {"timeseries", "table"}
    assert panel["targets"]


@asked
def test_query_asks_for_metrics_that_are_declared(query):
    found = metrics_asked_for(query.expr)
    assert found
    assert found <= metrics_declared()


@asked
def test_every_selector_asks_for_the_chosen_jobs_and_instances(query):
    selectors = re.findall(r"\b[a-z][a-z_]+{[^}]*}", query.expr)
    assert selectors
    assert all('job=~"$job",instance=~"$instance"' in found for found in selectors)
    assert len(metrics_asked_for(query.expr)) <= len(selectors)


@asked
def test_rates_go_with_the_interval_that_is_shown(query):
    assert set(re.findall(r"}\[([^]]*)\]", query.expr)) <= {"$__rate_interval"}


@asked
def test_legend_tells_series_apart_by_labels_they_have(query):
    outer = re.match(r"(?:topk\(10, )?(?:\w+) by \(([^)]*)\)", query.expr)
    if outer:
        kept = {label.strip() for label in outer[1].split(",")}
        assert kept == query.labels
    else:
        assert labels_of("{{server_id}}") >= query.labels or "by (" in query.expr


@boards
def test_annotations_mark_moments(name):
    found = {
        query.place.rpartition(" ")[2]: query for query in annotation_queries(name)
    }
    drift = {"Drift"} if name in {"predictions", "voltage"} else set()
    assert {"Start", "Rebalance", "Alert"} | drift == set(found)
    for query in found.values():
        assert metrics_asked_for(query.expr) <= metrics_declared()
        assert query.labels
    moments = [
        entry["useValueForTime"] for entry in BOARDS[name]["annotations"]["list"]
    ]
    assert [True, True, False, *[False] * len(drift)] == moments


def test_nothing_is_set_up_by_hand():
    folder = FOLDER.parent / "provisioning"
    source = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())
    provider = yaml.safe_load((folder / "dashboards" / "smartmeter.yaml").read_text())
    assert 1 == source["apiVersion"] == provider["apiVersion"]
    [prometheus] = source["datasources"]
    assert "prometheus" == prometheus["type"]
    assert prometheus["isDefault"]
    chosen = {variables(name)["datasource"]["current"]["value"] for name in BOARDS}
    assert {prometheus["uid"]} == chosen
    scraped = yaml.safe_load(
        (FOLDER.parents[1] / "prometheus" / "prometheus.yml").read_text()
    )
    interval = scraped["global"]["scrape_interval"]
    assert interval == prometheus["jsonData"]["timeInterval"]
