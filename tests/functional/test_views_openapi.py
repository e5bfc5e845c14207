"""The API is what its description says: every page, every field, every code."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from app.views.openapi import document
from app.views.site import mount
from app.views.worker import Positions
from tests.fake_worker import FakeWorker

ONE = "/api/v1/transformers/{line}/{transformer}"
PAGES = [
    ("/api/v1/overview", "", 200),
    ("/api/v1/windows", "", 200),
    ("/api/v1/windows", "?format=columns&state=closed&sort=-verdict&line=11", 200),
    ("/api/v1/windows", "?limit=0", 400),
    (ONE, "", 200),
    (f"{ONE}/predictions", "", 200),
    ("/api/v1/top", "?by=minimum_volts&windows=4", 200),
    ("/api/v1/top", "?windows=97", 400),
    ("/api/v1/predictions", "?limit=3", 200),
    ("/api/v1/models", "", 200),
    ("/api/v1/messages", "?subject=*.extract.>&limit=5", 200),
    ("/api/v1/messages", "?subject=**", 400),
    ("/api/v1/pipeline", "", 200),
    ("/api/v1/alerts", "", 200),
    ("/api/v1/alerts", "?state=cleared&kind=high&line=11&limit=3", 200),
    ("/api/v1/alerts", "?kind=both", 400),
    ("/api/v1/alerts/{alert}", "", 200),
]


@pytest.fixture(params=["full", "empty"])
def fake(request):
    fake = FakeWorker()
    if request.param == "full":
        fake.fill(transformers=21, starts=6)
        fake.foresee(transformers=21, starts=120)
        fake.alarm(transformers=21, starts=96)
        fake.positions = Positions(
            ends={("smartmeter.readings", 0): 7},
            committed={("smartmeter-live", "smartmeter.readings", 0): 5},
        )
    return fake


@pytest.fixture
async def application(fake):
    application = web.Application()
    mount(application, fake.worker)
    return application


def test_the_description_is_valid_openapi():
    validate(document())


@pytest.mark.parametrize(("path", "query", "status"), PAGES)
async def test_an_answer_is_as_described(application, fake, path, query, status):
    alert = next((a.name for lane in fake.alerts.values() for a in lane), "1-1-low-1")
    address = path.format(line=11, transformer=1, alert=alert) + query
    if "{alert}" in path and not fake.states[0].counted:
        status = 404
    if path == ONE and not fake.states[0].counted:
        status = 404
    async with (
        TestClient(TestServer(application)) as client,
        client.get(address) as response,
    ):
        answer = await response.json()
        assert status == response.status
    described = document()
    codes = described["paths"][path]["get"]["responses"]
    told = codes[str(status)]
    if "$ref" in told:
        told = described["components"]["responses"][str(status)]
    schema = told["content"]["application/json"]["schema"]
    Draft202012Validator(schema).validate(answer)


async def test_every_page_is_described(application):
    described = document()["paths"].keys()
    served = {
        route.resource.canonical
        for route in application.router.routes()
        if route.resource and route.resource.canonical.startswith("/api/")
    }
    described |= {"/api/v1/openapi.json"}
    files = {path for path in served if path.startswith("/api/v1/export")}
    assert described == served - files


async def test_the_description_is_served(application):
    async with (
        TestClient(TestServer(application)) as client,
        client.get("/api/v1/openapi.json") as response,
    ):
        assert document() == await response.json()


PATHS = document()["paths"]


@pytest.mark.parametrize("path", sorted(path for path in PATHS if "get" in PATHS[path]))
async def test_values_of_parameters_are_those_that_are_taken(path):
    application = web.Application()
    mount(application, FakeWorker().worker)
    operation = document()["paths"][path]["get"]
    async with TestClient(TestServer(application)) as client:
        for parameter in operation["parameters"]:
            schema = parameter["schema"]
            values = schema.get("enum") or [
                schema.get("minimum", 1),
                schema.get("maximum", 11),
            ]
            for value in values if parameter["in"] == "query" else ():
                address = path.format(line=11, transformer=1, alert="1-1-low-1")
                async with client.get(
                    address, params={parameter["name"]: str(value)}
                ) as response:
                    assert response.status in (200, 404), (parameter["name"], value)
