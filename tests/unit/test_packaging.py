"""The import names are generic, so a namesake must never slip in unseen."""

import importlib
import importlib.metadata
from pathlib import Path

import pytest

DISTRIBUTION = "smartmeter-streams"


@pytest.mark.parametrize("name", ["app", "agents", "tables", "bridge"])
def test_import_name_belongs_to_this_distribution_alone(name):
    owners = importlib.metadata.packages_distributions()[name]
    assert {DISTRIBUTION} == set(owners)


@pytest.mark.parametrize("name", ["app", "agents", "tables", "bridge"])
def test_import_name_is_loaded_from_this_tree(name):
    module = importlib.import_module(name)
    assert Path(module.__file__).parents[1] == Path(__file__).parents[2]
