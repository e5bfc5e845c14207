"""The launcher tells Prometheus of each process by a file."""

import json

import pytest
import yaml

from app.settings import Settings
from deploy.local import targets
from deploy.local.process import ROOT
from deploy.local.secured import TOKENS, Secured


def told(folder):
    files = sorted((folder / "targets").glob("*"))
    return {path.name: json.loads(path.read_text()) for path in files}


def test_each_worker_is_a_target_of_one_job(tmp_path):
    for number in (1, 2):
        targets.write(tmp_path, f"worker-{number}", 6065 + number)
    assert {
        "worker-1.json": [{"targets": ["127.0.0.1:6066"], "labels": {"job": "worker"}}],
        "worker-2.json": [{"targets": ["127.0.0.1:6067"], "labels": {"job": "worker"}}],
    } == told(tmp_path)


def test_encrypted_page_is_asked_by_https(tmp_path):
    targets.write(tmp_path, "bridge", 6090, "https")
    (entry,) = told(tmp_path)["bridge.json"]
    assert {"job": "bridge", "__scheme__": "https"} == entry["labels"]


def test_prometheus_of_secured_servers_differs_by_folder_token_and_authority_alone():
    folder = ROOT / "deploy" / "prometheus"
    plain, secured = (
        yaml.safe_load((folder / f"{name}.yml").read_text())
        for name in ("prometheus", "prometheus-secrets")
    )
    (job,) = secured["scrape_configs"]
    files = [job.pop("tls_config")["ca_file"]]
    files.append(job.pop("authorization")["credentials_file"])
    its = Secured((folder / "../../.run-secure").resolve(), Settings())
    assert [(folder / file).resolve() for file in files] == [
        its.path("ca.crt"),
        its.path(TOKENS["read_token"]),
    ]
    text = json.dumps(secured).replace(".run-secure", ".run")
    assert plain == json.loads(text)


def test_process_that_was_stopped_is_told_of_no_more(tmp_path):
    for name in ("bridge", "simulator"):
        targets.write(tmp_path, name, 6090)
    targets.clear(tmp_path, "simulator", "never-was")
    assert ["bridge.json"] == list(told(tmp_path))
    targets.clear(tmp_path)
    assert {} == told(tmp_path)


def test_unknown_process_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no job"):
        targets.write(tmp_path, "stranger", 1)
    targets.clear(tmp_path)
