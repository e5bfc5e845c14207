"""The site of one worker, over HTTP, with windows that the test made up."""

import gzip
import re

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiokafka.errors import KafkaConnectionError

from app.views.site import mount
from app.views.worker import Phase, Positions
from tests.fake_worker import FIRST_START, FakeWorker, windows_of

PAGES = [
    "/",
    "/transformers",
    "/transformers/11/1",
    "/top",
    "/predictions",
    "/pipeline",
]
API = [
    "/api/v1/overview",
    "/api/v1/windows",
    "/api/v1/transformers/11/1",
    "/api/v1/top",
    "/api/v1/predictions",
    "/api/v1/transformers/11/1/predictions",
    "/api/v1/pipeline",
]


@pytest.fixture
def fake():
    fake = FakeWorker()
    fake.fill(transformers=21, starts=12)
    return fake


@pytest.fixture
async def client(fake):
    application = web.Application()
    mount(application, fake.worker)
    async with TestClient(TestServer(application)) as client:
        yield client


async def json(client, path, status=200):
    async with client.get(path) as response:
        assert (status, "application/json") == (response.status, response.content_type)
        return await response.json()


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_loads_nothing_from_elsewhere_and_has_no_inline_script(
    client, path
):
    async with client.get(path) as response:
        assert (200, "text/html") == (response.status, response.content_type)
        html = await response.text()
    loaded = re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)="([^"]+)""", html)
    assert loaded
    for address in loaded:
        assert address.startswith("/static/")
        assert 200 == (await client.get(address)).status
    assert not re.search(r"<script(?![^>]+src=)|<style|\son\w+=|\sstyle=", html)


async def test_a_file_comes_compressed_and_once(client):
    address = "/static/style.css"
    plain = {"Accept-Encoding": "identity"}
    async with client.get(address, headers=plain, auto_decompress=False) as response:
        body, tag = await response.read(), response.headers["ETag"]
        assert "Content-Encoding" not in response.headers
    async with client.get(address, auto_decompress=False) as response:
        assert "gzip" == response.headers["Content-Encoding"]
        compressed = await response.read()
    assert len(compressed) < len(body) / 2
    assert body == gzip.decompress(compressed)
    async with client.get(address, headers={"If-None-Match": tag}) as response:
        assert (304, b"") == (response.status, await response.read())
    assert 404 == (await client.get("/static/none.css")).status
    assert 404 == (await client.get("/static/..%2Fsite.py")).status


@pytest.mark.parametrize("path", [*PAGES, *API, "/live", "/static/style.css", "/none"])
async def test_every_answer_carries_the_security_headers(client, path):
    async with client.get(path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "nosniff" == response.headers["X-Content-Type-Options"]
        assert "DENY" == response.headers["X-Frame-Options"]
        assert "no-referrer" == response.headers["Referrer-Policy"]


async def test_a_page_escapes_what_it_shows(client, fake):
    fake.url = "http://<script>alert(1)</script>"
    async with client.get("/") as response:
        assert "<script>alert" not in await response.text()


async def test_the_overview_is_that_of_the_worker(client):
    overview = await json(client, "/api/v1/overview")
    assert list(range(8)) == [lane["lane"] for lane in overview["lanes"]]
    assert {"lanes": [], "workers": []} == overview["missing"]
    assert 21 * 2 == overview["totals"]["windows_open"]
    assert 21 * 10 == overview["totals"]["windows_closed"]
    assert 0 == overview["totals"]["lag_frames"]
    assert (900, 116.0) == (overview["window_seconds"], overview["threshold_volts"])


async def test_windows_are_open_and_recently_closed(client):
    answer = await json(client, "/api/v1/windows")
    assert 21 * 12 == answer["matched_windows"] == answer["returned_windows"]
    assert [] == answer["incomplete_lanes"]
    starts = [w["window_start_epoch_seconds"] for w in answer["windows"]]
    assert sorted(starts, reverse=True) == starts
    for state, count in (("open", 2), ("closed", 10)):
        answer = await json(client, f"/api/v1/windows?state={state}")
        assert 21 * count == answer["matched_windows"]
        assert {state} == {window["state"] for window in answer["windows"]}


async def test_windows_can_be_filtered_sorted_and_limited(client):
    answer = await json(
        client, "/api/v1/windows?line=12&state=closed&sort=-maximum_volts&limit=5"
    )
    maxima = [window["maximum_volts"] for window in answer["windows"]]
    assert sorted(maxima, reverse=True) == maxima
    assert {12} == {window["line"] for window in answer["windows"]}
    assert (7 * 10, 5) == (answer["matched_windows"], answer["returned_windows"])


async def test_windows_come_as_columns_and_as_csv_too(client):
    rows = (await json(client, "/api/v1/windows"))["windows"]
    columns = (await json(client, "/api/v1/windows?format=columns"))["windows"]
    assert rows == [
        dict(zip(columns, values, strict=True))
        for values in zip(*columns.values(), strict=True)
    ]
    async with client.get("/api/v1/windows?format=csv") as response:
        assert "text/csv" == response.content_type
        assert 21 * 12 + 1 == len((await response.text()).splitlines())


async def test_a_float_is_written_as_it_was_measured(client, fake):
    start = FIRST_START + 20 * 900
    fake.add(
        2, windows_of(start, (11, 1, 1, 112.23, 112.23, 112.23, 9, 0)), watermark=start
    )
    async with client.get("/api/v1/windows?line=11&transformer=1&limit=1") as response:
        assert '"maximum_volts":112.23,' in await response.text()


async def test_a_transformer_has_its_windows_its_lane_and_its_worker(client, fake):
    answer = await json(client, "/api/v1/transformers/11/1")
    assert (11, 1, 2, fake.url) == tuple(
        answer[name] for name in ("line", "transformer", "lane", "worker")
    )
    assert 12 == len(answer["windows"])
    assert {(11, 1)} == {(w["line"], w["transformer"]) for w in answer["windows"]}


async def test_a_transformer_without_windows_is_not_found(client):
    answer = await json(client, "/api/v1/transformers/11/999", status=404)
    assert [] == answer["windows"]
    assert [] == answer["missing"]["lanes"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("state=ajar", "state"),
        ("limit=0", "limit"),
        ("limit=50001", "limit"),
        ("limit=1e3", "limit"),
        ("line=-1", "line"),
        ("line=x", "line"),
        ("line=99999999999999999999", "line"),
        ("transformer=2147483648", "transformer"),
        ("transformer=%D9%A1", "transformer"),
        ("sort=volts", "sort"),
        ("sort=--line", "sort"),
        ("format=xml", "format"),
        ("local=1&lanes=0,x", "lanes"),
        ("local=1&lanes=256", "lanes"),
    ],
)
async def test_a_parameter_that_is_not_understood_is_named(client, query, named):
    answer = await json(client, f"/api/v1/windows?{query}", status=400)
    assert answer["error"].startswith(f"{named} is ")


async def test_an_unknown_path_is_an_error_in_the_words_of_the_site(client):
    async with client.get("/transformers/eleven/1") as response:
        assert (404, "text/html") == (response.status, response.content_type)
    assert 404 == (await json(client, "/api/v1/nothing", status=404))["status"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_nothing_can_be_changed(client, method):
    for path in [*PAGES, *API, "/live", "/ready", "/metrics"]:
        async with client.request(method, path) as response:
            assert 403 == response.status or path in ("/live", "/ready")


async def test_a_fault_is_logged_and_shows_no_trace(client, fake, caplog):
    def broken():
        raise RuntimeError("secret detail")

    fake.states = property(broken)  # not a mapping: every view of it fails
    answer = await json(client, "/api/v1/windows", status=500)
    assert "secret" not in answer["error"]
    assert "GET /api/v1/windows failed." in caplog.text


async def test_a_running_worker_is_live_and_ready(client):
    for path in ("/live", "/ready"):
        async with client.get(path) as response:
            assert (200, "ok\n") == (response.status, await response.text())


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.REBALANCING, Phase.RECOVERING])
async def test_a_worker_that_recovers_is_live_and_not_ready(client, fake, phase):
    fake.phase = phase
    async with client.get("/ready") as response:
        assert (503, f"{phase}\n") == (response.status, await response.text())
    async with client.get("/live") as response:
        assert 200 == response.status


async def test_a_worker_without_a_lane_that_it_should_have_is_not_ready(client, fake):
    del fake.states[3]
    async with client.get("/ready") as response:
        assert (503, "lanes [3] are not ready\n") == (
            response.status,
            await response.text(),
        )


async def test_a_worker_in_reserve_is_ready_and_answers_for_nothing(client, fake):
    fake.states, fake.owners = {}, {}
    async with client.get("/ready") as response:
        assert 200 == response.status
    answer = await json(client, "/api/v1/windows")
    assert list(range(8)) == answer["missing"]["lanes"]
    await json(client, "/api/v1/transformers/11/1", status=503)


async def test_metrics_are_there_for_prometheus(client):
    async with client.get("/metrics") as response:
        assert (200, "text/plain") == (response.status, response.content_type)
        assert "smartmeter_live_readings_folded_total" in await response.text()


async def test_the_top_is_ranked_by_what_is_asked(client):
    highest = await json(client, "/api/v1/top?windows=96&limit=21")
    maxima = [one["maximum_volts"] for one in highest["transformers"]]
    assert sorted(maxima, reverse=True) == maxima
    assert 21 == highest["transformers_count"] == len(maxima)
    lowest = await json(client, "/api/v1/top?by=minimum_volts&limit=3")
    minima = [one["minimum_volts"] for one in lowest["transformers"]]
    assert sorted(minima) == minima
    assert (3, 21) == (len(minima), lowest["transformers_count"])
    answer = await json(client, "/api/v1/top?by=fun", status=400)
    assert answer["error"].startswith("by is one of")


async def test_predictions_come_with_their_scores(client, fake):
    fake.foresee(transformers=21, starts=120)
    answer = await json(client, "/api/v1/predictions?limit=4")
    assert (21, 4) == (answer["transformers_count"], len(answer["transformers"]))
    assert 21 * 120 == answer["predictions_made"]
    assert answer["scores"]["week"] == answer["scores"]["total"]
    scored = 21 * (120 - 48)  # what was foreseen less than a horizon ago is not due
    assert scored == answer["scores"]["week"]["labels_count"]
    assert "counts" not in answer
    one = await json(client, "/api/v1/transformers/12/3/predictions")
    assert 49 >= len(one["predictions"]) >= 48


async def test_nothing_is_foreseen_at_first(client):
    answer = await json(client, "/api/v1/predictions")
    assert (0, []) == (answer["predictions_made"], answer["transformers"])
    assert [] == answer["missing"]["lanes"]


async def test_the_pipeline_is_that_of_kafkas_offsets(client, fake):
    readings = "smartmeter.readings"
    fake.positions = Positions(
        ends={(readings, lane): 100 + lane for lane in range(8)},
        committed={("smartmeter-live", readings, lane): 90 for lane in range(8)},
    )
    answer = await json(client, "/api/v1/pipeline")
    topic = answer["topics"][0]
    assert (readings, 8, 828) == (
        topic["topic"],
        topic["partitions"],
        topic["records_count"],
    )
    assert [
        {
            "topic": readings,
            "group": "smartmeter-live",
            "reader": "live workers",
            "lag_records": 108,
            "records_per_second": None,
        }
    ] == answer["readers"]


async def test_the_pipeline_says_that_kafka_is_away(client, fake):
    fake.failures = [KafkaConnectionError()]
    answer = await json(client, "/api/v1/pipeline", status=503)
    assert answer["error"].startswith("Kafka does not answer")
