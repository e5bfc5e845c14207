"""The page of models in a real browser: what is kept, what happened, the way back."""

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from app.predictor import versions
from app.sinks.versions import StoredVersion
from app.views.site import mount
from app.wire.models import decode_roll_back
from tests.browser import PHONE, shoot
from tests.fake_worker import FIRST_START, FakeWorker

OPERATE = "a-token-to-operate-with"
DAY = 86_400


@pytest.fixture
async def fake():
    fake = FakeWorker(environ={"SMARTMETER_WORKER__OPERATOR_TOKEN": OPERATE})
    application = web.Application()
    mount(application, fake.worker)
    server = TestServer(application)
    await server.start_server()
    fake.url = str(server.make_url("")).rstrip("/")
    fake.owners = {fake.url: list(fake.states)}
    yield fake
    await server.close()


def learn(fake):
    fake.foresee(transformers=21, starts=300)
    for lane, state in fake.models.items():
        state.front = FIRST_START
        state.events.append((FIRST_START - 9 * 3_600, "drift", "volts"))
        if lane == 2:
            state.events.append((FIRST_START - 3 * 3_600, "champion", "direct"))


def keep(fake, days=9):
    for name in ("lane-0", "lane-4", "fleet"):
        for number in range(days):
            start = FIRST_START - DAY * number
            version = versions.take(fake.forecasts[0], start=start, made=start + 1_800)
            fake.stored_text = version.state.decode()
            fake.stored.append(
                StoredVersion(
                    name=name,
                    number=start,
                    made=version.made,
                    parts=1,
                    summary=orjson.loads(orjson.dumps(version.summary)),
                )
            )


async def sign_in(viewer, fake, **options):
    page = await viewer.open(f"{fake.url}/login?next=/models?name=lane-4", **options)
    await page.get_by_label("Token").fill(OPERATE)
    await page.get_by_role("button", name="Sign in").click()
    return page


async def test_models_their_versions_and_what_happened(viewer, fake):
    page = await viewer.open(f"{fake.url}/models")
    await expect(page.locator("#empty")).to_contain_text("Nothing is learnt yet")
    await expect(page.locator("#versions-empty")).to_contain_text("No version is kept")
    await shoot(page, "models-none")
    learn(fake)
    keep(fake)
    page = await viewer.open(f"{fake.url}/models?name=lane-4")
    await expect(page.locator("#models tbody tr")).to_have_count(8)
    row = page.locator("#models tbody tr").nth(2)
    await expect(row).to_contain_text("now published by the classifier")
    await expect(page.locator("#events tbody tr")).to_have_count(2)
    await expect(page.locator("#events tbody tr").last).to_contain_text(
        "lane 0, lane 1"
    )
    await expect(page.locator("#versions tbody tr")).to_have_count(9)
    await expect(page.get_by_role("button", name="Go back")).to_have_count(0)
    await expect(page.locator(".hint")).to_contain_text("Sign in with the operator's")
    await shoot(page, "models")
    page = await viewer.open(f"{fake.url}/models", dark=True)
    await expect(page.locator("#versions tbody tr")).to_have_count(9)
    await shoot(page, "models-dark")


async def test_an_operator_goes_back_to_a_version(viewer, fake):
    learn(fake)
    keep(fake)
    page = await sign_in(viewer, fake)
    button = page.locator("#versions tbody tr").nth(3).get_by_role("button")
    await button.click()
    await expect(page.get_by_role("dialog")).to_contain_text("of lane 4")
    await shoot(page, "models-dialog")
    await page.get_by_role("button", name="Leave it").click()
    assert [] == fake.orders
    await button.click()
    await page.locator("#ask-yes").click()
    await expect(button).to_have_text("Going back …")
    ((lane, value),) = fake.orders
    command = decode_roll_back(value)
    assert (4, "lane-4", FIRST_START - 3 * DAY) == (lane, command.name, command.version)
    fake.models[4].go_back(command.version, orjson.loads(command.state))
    await expect(page.locator("#events tbody tr").first).to_contain_text("back to the")
    await expect(button).to_have_text("Go back")


async def test_a_version_that_does_not_match_is_refused_in_words(viewer, fake):
    learn(fake)
    keep(fake)
    fake.stored_text = '{"v":1,"features":"0ld"}'
    page = await sign_in(viewer, fake)
    await page.locator("#versions tbody tr").first.get_by_role("button").click()
    await page.locator("#ask-yes").click()
    await expect(page.locator("#ask-refused")).to_contain_text("other features")
    await shoot(page, "models-refused")
    assert [] == fake.orders


async def test_models_are_shown_while_cassandra_is_away(viewer, fake):
    learn(fake)
    fake.away = "no Cassandra answers at 127.0.0.1, port 9042"
    page = await viewer.open(f"{fake.url}/models", size=PHONE)
    await expect(page.locator("#models tbody tr")).to_have_count(8)
    empty = page.locator("#versions-empty")
    await expect(empty).to_contain_text("no Cassandra answers at 127.0.0.1")
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
    await shoot(page, "phone-models")
