"""What stands in deploy for Excel and Spark agrees with the product."""

import ast
import configparser
import re
from pathlib import Path

from app import settings
from app.cli.export import NAMES
from app.exports.sources import SOURCES
from app.sinks.tables import AVERAGES, RAW_DATA
from app.topology import Topology

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_data_source_leads_where_the_settings_lead():
    file = configparser.ConfigParser()
    file.read(DEPLOY / "excel" / "smartmeter.dsn")
    values = settings.load({})
    source = file["ODBC"]
    assert values.archive.contact_points == source["Host"]
    assert values.archive.port == int(source["Port"])
    assert Topology(values).keyspace == source["DefaultKeyspace"]
    assert "PWD" not in source


def test_page_on_excel_names_what_can_be_exported():
    page = (DEPLOY / "excel" / "README.md").read_text()
    assert all(f"`{name}`" in page for name in SOURCES)
    assert list(SOURCES) == NAMES


def test_spark_job_names_columns_and_tables_that_exist():
    source = (DEPLOY / "spark" / "averages.py").read_text()
    tree = ast.parse(source)
    (key,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "KEY"
    )
    assert RAW_DATA.partition == key
    assert {RAW_DATA.name, AVERAGES.name} == set(re.findall(r'table="(\w+)"', source))
    assert '.mode("append")' in source
