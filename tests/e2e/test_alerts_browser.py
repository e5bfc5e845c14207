"""The page of alerts in a real browser: who sees what, and how one is acknowledged."""

import re

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiokafka.errors import KafkaError
from playwright.async_api import expect

from app.views.site import mount
from tests.browser import PHONE, layout_shift, shoot
from tests.fake_worker import FakeWorker

OPERATE = "a-token-to-operate-with"
ROWS = "#alerts-table tbody tr"


@pytest.fixture
async def fake():
    fake = FakeWorker(environ={"SMARTMETER_WORKER__OPERATOR_TOKEN": OPERATE})
    fake.fill(transformers=21, starts=74)
    application = web.Application()
    mount(application, fake.worker)
    server = TestServer(application)
    await server.start_server()
    fake.url = str(server.make_url("")).rstrip("/")
    fake.owners = {fake.url: list(fake.states)}
    yield fake
    await server.close()


async def sign_in(viewer, fake, path="/alerts", **options):
    page = await viewer.open(f"{fake.url}/login?next={path}", **options)
    await page.get_by_label("Token").fill(OPERATE)
    await page.get_by_role("button", name="Sign in").click()
    return page


async def test_alerts_appear_live_and_an_operator_acknowledges_one(viewer, fake):
    page = await sign_in(viewer, fake)
    await expect(page.locator("#empty")).to_contain_text("All is within its limits")
    await shoot(page, "alerts-none")
    fake.alarm(transformers=21, starts=74)
    await expect(page.locator(ROWS).first).to_contain_text("new")
    new = int(await page.locator("[data-count=raised]").inner_text())
    assert new == await page.locator(ROWS).count()
    first = page.locator(ROWS).first
    button = first.get_by_role("button", name="Acknowledge line")
    name = await button.get_attribute("data-alert")
    await shoot(page, "alerts")
    moving = await layout_shift(page, 100)
    await button.click()
    await expect(page.locator("[data-count=acknowledged]")).to_have_text("1")
    # It now stands behind those that still need somebody.
    last = page.locator(ROWS).last
    await expect(last.locator(".badge")).to_have_text("acknowledged")
    await expect(last.locator(".when")).to_contain_text("seen 20")
    await expect(last.get_by_role("button")).to_have_count(0)
    assert [name] == [a.name for s in fake.alerts.values() for a in s if a.acknowledged]
    assert moving == 0
    await page.get_by_text("Cleared", exact=False).first.click()
    await expect(page.locator(ROWS).first.locator(".badge")).to_have_text("cleared")
    assert page.url.endswith("?state=cleared")
    await shoot(page, "alerts-cleared")


async def test_an_acknowledgement_that_fails_can_be_tried_again(viewer, fake):
    fake.alarm(transformers=21, starts=74)
    page = await sign_in(viewer, fake)
    fake.failures.append(KafkaError("away"))
    button = page.locator(ROWS).first.get_by_role("button")
    await button.click()
    await expect(button).to_have_text("Try again")
    title = re.compile("^Not acknowledged: Kafka does not answer")
    await expect(button).to_have_attribute("title", title)
    fake.failures.clear()
    await button.click()
    await expect(page.locator("[data-count=acknowledged]")).to_have_text("1")


async def test_a_reader_is_told_how_to_acknowledge(viewer, fake):
    fake.alarm(transformers=21, starts=74)
    page = await viewer.open(f"{fake.url}/alerts?line=12&state=all", dark=True)
    await expect(page.locator(ROWS).first).to_contain_text("12")
    assert {"12"} == set(
        await page.locator(f"{ROWS} td:nth-child(2)").all_inner_texts()
    )
    await expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    await expect(page.locator(".hint")).to_contain_text("Sign in with the operator")
    await shoot(page, "alerts-dark")


async def test_a_phone_shows_alerts_as_cards(viewer, fake):
    fake.alarm(transformers=21, starts=74)
    page = await sign_in(viewer, fake, size=PHONE)
    await expect(page.locator(ROWS).first.get_by_role("button")).to_be_in_viewport()
    await shoot(page, "phone-alerts")
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]


async def test_overview_and_transformer_tell_of_alerts(viewer, fake):
    fake.alarm(transformers=21, starts=74)
    opened = [a for s in fake.alerts.values() for a in s.open.values()]
    page = await viewer.open(fake.url)
    tile = page.locator("[data-figure=alerts]")
    await expect(tile).to_have_text(str(len(opened)))
    await shoot(page, "alerts-overview")
    one = opened[0]
    page = await viewer.open(f"{fake.url}/transformers/{one.line}/{one.transformer}")
    await expect(page.locator("[data-figure=alerts]")).to_have_text("1")
    await expect(page.locator("[data-figure=alerts_note]")).to_contain_text(
        "since 2016"
    )
    await shoot(page, "alerts-transformer")
    await page.get_by_role("link", name="Alerts", exact=True).last.click()
    await expect(page.locator(ROWS).first).to_contain_text(str(one.transformer))
