"""The page of messages in a real browser, listening to a real NATS server."""

import nats
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from app.topology import Topology
from app.views.site import mount
from app.wire.events import encode_maximum, encode_prediction, encode_temperature
from deploy.local import ports
from tests.browser import PHONE, shoot
from tests.fake_worker import FakeWorker

ROWS = "#messages tbody tr"
START = 1_700_006_400


async def serve(environ):
    fake = FakeWorker(environ=environ)
    application = web.Application()
    mount(application, fake.worker)
    server = TestServer(application)
    await server.start_server()
    fake.url = str(server.make_url("")).rstrip("/")
    fake.owners = {fake.url: list(fake.states)}
    return fake, server


async def publish(fake, number):
    topology = Topology(fake.settings)
    client = await nats.connect(fake.settings.nats.servers)
    epoch = START + 900 * number
    said = {
        topology.maxima_subject: encode_maximum(epoch, 117.25 + number / 8),
        topology.temperature_subject: encode_temperature(epoch, -3.5),
        f"{topology.prediction_subject}.12": encode_prediction(epoch, 4.5, 116.0),
        f"{topology.alert_subject}.11.3.7": bytes.fromhex("ff00"),
    }
    for subject, payload in said.items():
        await client.publish(subject, payload)
    await client.close()


async def test_messages_are_shown_as_they_go_out(viewer, nats_server, environ_for):
    fake, server = await serve(environ_for())
    page = await viewer.open(f"{fake.url}/messages")
    await expect(page.locator("#empty")).to_contain_text("Nothing has come yet")
    await shoot(page, "messages-none")
    await publish(fake, 0)
    await expect(page.locator("#subjects tbody tr")).to_have_count(4)
    await expect(page.locator(ROWS)).to_have_count(4)
    await expect(page.locator("#messages")).to_contain_text("voltage 117.25")
    await expect(page.locator("#messages")).to_contain_text("ff00")

    await page.get_by_role("button", name="Pause").click()
    await publish(fake, 1)
    await expect(page.locator("#count")).to_have_text("paused, 4 more since")
    await expect(page.locator(ROWS)).to_have_count(4)
    await page.get_by_role("button", name="Go on").click()
    await expect(page.locator(ROWS)).to_have_count(8)
    await shoot(page, "messages")

    await page.get_by_role("textbox", name="Subject").fill("*.*.extract.>")
    await expect(page.locator(ROWS)).to_have_count(6)
    await expect(page.locator("#subjects tbody tr")).to_have_count(3)
    await page.get_by_role("textbox", name="Subject").fill("max")
    await expect(page.locator(ROWS)).to_have_count(2)
    assert page.url.endswith("?subject=max")
    page = await viewer.open(f"{fake.url}/messages", dark=True)
    await expect(page.locator(ROWS)).to_have_count(8)
    await shoot(page, "messages-dark")
    page = await viewer.open(f"{fake.url}/messages", size=PHONE)
    await expect(page.locator(ROWS)).to_have_count(8)
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
    await shoot(page, "phone-messages-full")
    await server.close()


async def test_nats_that_is_away_is_named(viewer):
    address = f"nats://127.0.0.1:{next(ports.free())}"
    fake, server = await serve({"SMARTMETER_NATS__SERVERS": address})
    page = await viewer.open(f"{fake.url}/messages")
    empty = page.locator("#empty")
    await expect(empty).to_contain_text("NATS is not there now")
    await expect(empty).to_contain_text(address)
    await shoot(page, "messages-away")
    await server.close()
