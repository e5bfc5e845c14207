"""Exports over HTTP from a real Cassandra, as the web view streams them."""

import asyncio
import csv
import io
import secrets

import openpyxl
import pyarrow.parquet
import pytest
from aiohttp import ClientPayloadError, web
from aiohttp.test_utils import TestClient, TestServer

from app import settings
from app.errors import SinkUnavailable
from app.exports import formats
from app.exports.sources import Export
from app.views.downloads import Downloads
from tests.fake_worker import FakeWorker
from tests.frames import made_up_rows, rows_expected
from tests.stored import stored

COUNT = 12_000


@pytest.fixture(scope="module")
def rows():
    return list(rows_expected(made_up_rows(COUNT, seed=8)).values())


@pytest.fixture(scope="module")
def environ(cassandra_server, servers, rows):
    environ = servers.environ(f"t{secrets.token_hex(6)}")
    with stored(settings.load(environ)) as keyspace:
        keyspace.write_readings(rows)
        yield environ


@pytest.fixture
async def client(environ):
    application = web.Application()
    application.add_routes(Downloads(FakeWorker(environ=environ).worker).routes)
    async with TestClient(TestServer(application)) as client:
        yield client


def volts(rows):
    return sorted(row["voltage"] for row in rows)


@pytest.mark.parametrize("kind", list(formats.Format))
async def test_file_is_streamed_whole(client, rows, kind):
    async with client.get("/api/v1/export/raw", params={"format": kind}) as response:
        assert 200 == response.status
        name = f'attachment; filename="raw.{kind}"'
        assert name == response.headers["Content-Disposition"]
        assert "Content-Length" not in response.headers  # it comes as it is read
        body = await response.read()

    if kind == "csv":
        found = list(csv.DictReader(io.StringIO(body.decode())))
    elif kind == "parquet":
        found = pyarrow.parquet.read_table(io.BytesIO(body)).to_pylist()
    else:
        sheet = openpyxl.load_workbook(io.BytesIO(body), read_only=True).active
        header, *lines = sheet.iter_rows(values_only=True)
        found = [dict(zip(header, line, strict=True)) for line in lines]
    voltages = sorted(float(row["voltage"]) for row in found)
    assert volts(rows) == pytest.approx(voltages, rel=1e-6)


async def test_choice_is_kept_to(client, rows):
    path = "/api/v1/export/raw?line=11&transformer=3"
    async with client.get(path) as response:
        found = list(csv.DictReader(io.StringIO(await response.text())))
    chosen = [r for r in rows if (r["line"], r["transformer"]) == (11, 3)]
    assert len(chosen) == len(found)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/export/everything", 404),
        ("/api/v1/export/raw?format=doc", 400),
        ("/api/v1/export/raw?from=yesterday", 400),
        ("/api/v1/export/raw?from=2026-02-01&to=2026-01-01", 400),
        ("/api/v1/export/raw?line=-1", 400),
    ],
)
async def test_wrong_question_is_told_apart(client, path, status):
    async with client.get(path) as response:
        assert status == response.status


async def test_workbook_above_excels_limit_is_refused(client, monkeypatch):
    monkeypatch.setattr(formats, "EXCEL_ROWS_MAX", 1_000)
    async with client.get("/api/v1/export/raw?format=xlsx") as response:
        assert 400 == response.status
        assert "do not fit a sheet of Excel" in await response.text()


async def test_cassandra_that_is_away_is_503(environ):
    away = environ | {"SMARTMETER_ARCHIVE__PORT": "1"}
    application = web.Application()
    application.add_routes(Downloads(FakeWorker(environ=away).worker).routes)
    async with (
        TestClient(TestServer(application)) as client,
        client.get("/api/v1/export/raw") as response,
    ):
        assert 503 == response.status
        assert "no Cassandra answers" in await response.text()


async def test_second_download_waits_for_its_turn(client, monkeypatch):
    opened = asyncio.Event()
    release = asyncio.Event()
    loop = asyncio.get_running_loop()
    real = Export.pages

    def pages(self, *arguments):
        loop.call_soon_threadsafe(opened.set)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(30)
        yield from real(self, *arguments)

    monkeypatch.setattr(Export, "pages", pages)
    first = asyncio.ensure_future(client.get("/api/v1/export/raw"))
    await asyncio.wait_for(opened.wait(), 30)

    async with client.get("/api/v1/export/raw") as response:
        assert (503, "10") == (response.status, response.headers["Retry-After"])

    release.set()
    async with await first as response:
        assert 200 == response.status
        await response.read()


async def test_trouble_in_the_middle_breaks_the_connection(client, monkeypatch):
    """A file that is not whole must not look whole."""
    real = Export.pages

    def pages(self, *arguments):
        for number, page in enumerate(real(self, *arguments)):
            if number == 5:
                raise SinkUnavailable("Cassandra has gone")
            yield page

    monkeypatch.setattr(Export, "pages", pages)
    async with client.get("/api/v1/export/raw") as response:
        with pytest.raises(ClientPayloadError):
            await response.read()


async def test_reader_that_goes_away_ends_the_reading(client, monkeypatch):
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    real = Export.pages

    def pages(self, *arguments):
        try:
            while True:
                yield from real(self, *arguments)
        finally:
            loop.call_soon_threadsafe(ended.set)

    monkeypatch.setattr(Export, "pages", pages)
    response = await client.get("/api/v1/export/raw")
    await response.content.readany()
    response.close()

    await asyncio.wait_for(ended.wait(), 30)
    async with asyncio.timeout(30):
        while True:  # its connection to Cassandra is being closed
            async with client.get("/api/v1/export/maxima") as another:
                if another.status == 200:
                    break
            await asyncio.sleep(0.1)
