"""Alert rules: told to whom, why, and what to do; and only of metrics that exist."""

import re
from pathlib import Path

import pytest
import yaml

from tests.declared import metrics_asked_for, metrics_declared

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
RULES = [
    rule
    for path in sorted((FOLDER / "rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}


def anchors(page):
    """Return the anchors of a page's headings, as a browser of the repository has."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


alerts = pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule["alert"])
rules = pytest.mark.parametrize(
    "rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"]
)


@alerts
def test_alert_waits_and_says_how_bad_it_is(alert):
    assert re.fullmatch(r"[1-9]\d*[mh]", alert["for"])
    assert alert["labels"]["severity"] in {"critical", "warning"}


@alerts
def test_alert_says_what_it_is_and_where_the_runbook_is(alert):
    words = alert["annotations"]
    assert {"summary", "description", "runbook_url"} == set(words)
    page, _, anchor = words["runbook_url"].partition("#")
    assert alert["alert"].lower() == anchor
    assert anchor in anchors(ROOT / page)


@rules
def test_rule_asks_for_metrics_that_are_declared(rule):
    asked = metrics_asked_for(rule["expr"])
    assert asked
    assert asked <= metrics_declared() | RECORDED


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_recorded_name_says_its_level_and_operation(name):
    assert re.fullmatch(r"(lane|line|fleet|group):smartmeter_[a-z_]+:[a-z0-9_]+", name)


@alerts
def test_alert_is_shown_silent_and_firing(alert):
    tests = yaml.safe_load((FOLDER / "tests" / "alerts.yml").read_text())["tests"]
    samples = [
        len(expected["exp_samples"])
        for test in tests
        for expected in test.get("promql_expr_test", ())
        if f'alertname="{alert["alert"]}"' in expected["expr"]
    ]
    assert [0, 1, 0] == samples[:3]


def test_both_configurations_differ_only_in_how_processes_are_found():
    local, clustered = (
        yaml.safe_load((FOLDER / name).read_text())
        for name in ("prometheus.yml", "prometheus-dns.yml")
    )
    local.pop("scrape_configs")
    jobs = {job["job_name"] for job in clustered.pop("scrape_configs")}
    assert local == clustered
    assert {"archive", "bridge", "exporter", "simulator", "worker"} == jobs
