"""The pages in a real browser: what a person sees when all is well, and when not."""

import asyncio
import json
import re
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from app.views.site import mount
from tests.browser import PHONE, column, layout_shift, shoot
from tests.fake_worker import FIRST_START, FakeWorker, windows_of

PATHS = [
    "/",
    "/transformers",
    "/transformers/11/3",
    "/top",
    "/predictions",
    "/models",
    "/pipeline",
    "/messages",
]
LINE, TRANSFORMER, START, MAXIMUM, STATE = 0, 1, 2, 6, 9


async def serve(fake, *, port=None):
    application = web.Application()
    mount(application, fake.worker)
    server = TestServer(application, port=port)
    await server.start_server()
    fake.url = str(server.make_url("")).rstrip("/")
    fake.owners = {fake.url: list(fake.states)}
    return server


@pytest.fixture
def fake():
    fake = FakeWorker()
    fake.fill(transformers=21, starts=60)
    return fake


@pytest.fixture
async def site(fake):
    server = await serve(fake)
    yield fake.url
    await server.close()


def line_of(page):
    return page.get_by_role("textbox", name="Line")


async def shown(page):
    await page.wait_for_selector("#windows[aria-busy=false]")


async def test_the_overview_shows_lanes_workers_and_totals(viewer, site):
    page = await viewer.open(site)
    await expect(page.locator("#pulse-text")).to_have_text("Live")
    await expect(page.locator("#lanes tbody tr")).to_have_count(8)
    await expect(page.locator("#workers tbody tr")).to_have_count(1)
    await expect(page.locator("#workers .state")).to_have_text("running")
    await expect(page.locator("[data-figure=windows_open]")).to_have_text("42")
    await expect(page.locator("[data-figure=maximum]")).to_contain_text(".")
    chart = page.get_by_role("img", name="Fleet maximum from 2016-11-19 00:00")
    await expect(chart.locator("canvas")).to_be_visible()
    await shoot(page, "overview")
    assert {urlsplit(site).netloc} == viewer.hosts


async def test_the_table_shows_the_newest_windows_first(viewer, site):
    page = await viewer.open(f"{site}/transformers")
    await shown(page)
    starts = await column(page, START)
    assert "2016-11-19 14:45" == starts[0]
    assert sorted(starts, reverse=True) == starts
    await expect(page.locator("#count")).to_have_text("1,260 windows")
    await shoot(page, "transformers")


async def test_every_column_sorts_both_ways(viewer, site):
    page = await viewer.open(f"{site}/transformers")
    await shown(page)
    for number in range(11):
        head = page.locator("#windows th").nth(number)
        seen = set()
        for _ in range(2):
            async with page.expect_response(lambda r: "sort=" in r.url):
                await head.locator("button").click()
            order = await head.get_attribute("aria-sort")
            seen.add(order)
            if number < STATE:  # then come words, in an order of their own
                texts = await column(page, number)
                values = texts if number == START else [*map(figure, texts)]
                assert sorted(values, reverse=order == "descending") == values
        assert {"ascending", "descending"} == seen
    assert "sort=verdict" in page.url


def figure(text):
    return float(text.replace(",", ""))


async def test_filters_narrow_the_table_and_stand_in_the_address(viewer, site):
    page = await viewer.open(f"{site}/transformers")
    await shown(page)
    await page.get_by_text("Open", exact=True).click()
    await line_of(page).fill("12")
    await expect(page.locator("#count")).to_have_text("14 windows")
    assert {"12"} == set(await column(page, LINE))
    assert {"open"} == set(await column(page, STATE))
    assert "state=open" in page.url
    assert "line=12" in page.url
    again = await viewer.open(page.url)
    await expect(again.locator("#count")).to_have_text("14 windows")
    await expect(line_of(again)).to_have_value("12")


async def test_a_transformer_has_a_page_of_its_own(viewer, site, fake):
    fake.foresee(transformers=21, starts=200, until=56)
    page = await viewer.open(f"{site}/transformers?line=11&transformer=3")
    await shown(page)
    await page.locator("#windows tbody a").first.click()
    await expect(page).to_have_title("Line 11, transformer 3 · smartmeter")
    await shown(page)
    await expect(page.locator("#count")).to_contain_text("Lane 4")
    await expect(page.locator("[data-figure=over_note]")).to_have_text(
        "of 60 in memory"
    )
    chart = page.get_by_role("img", name="a maximum foretold for 49 more")
    await expect(chart.locator("canvas")).to_be_visible()
    await expect(chart).to_have_accessible_name(re.compile("windows were foreseen and"))
    right = page.locator("[data-figure=right_note]")
    await expect(right).to_contain_text("false")
    await shoot(page, "transformer")


async def test_the_top_shows_who_stands_out(viewer, site):
    page = await viewer.open(f"{site}/top")
    await expect(page.locator("#top tbody tr")).to_have_count(20)
    await expect(page.locator("#count")).to_have_text("20 of 21 transformers")
    await shoot(page, "top")
    await page.get_by_text("Most over").click()
    await expect(page.locator("#bar-title")).to_have_text("Readings over")
    await page.get_by_role("combobox").select_option("96")
    await expect(page.locator("#top tbody tr").first).to_contain_text("of 60")
    assert "by=readings_over_threshold&windows=96" in page.url


async def test_predictions_show_who_is_likeliest_and_how_right_they_were(
    viewer, site, fake
):
    page = await viewer.open(f"{site}/predictions")
    await expect(page.locator("#empty")).to_contain_text("Nothing is foreseen yet")
    fake.foresee(transformers=21, starts=300)
    await expect(page.locator("#outlook tbody tr")).to_have_count(20)
    await expect(page.locator("#scores tbody tr")).to_have_count(6)
    await expect(page.locator("[data-figure=accuracy_note]")).to_contain_text("same")
    first = page.locator("#scores tbody tr").nth(1)
    await expect(first).to_contain_text("published by 8 lanes")
    await page.get_by_text("All time", exact=True).click()
    await shoot(page, "predictions")


async def test_each_horizon_has_its_predictions_and_scores(viewer):
    fake = FakeWorker(environ={"SMARTMETER_FORECAST__HORIZONS_HOURS": "12,24"})
    fake.foresee(transformers=21, starts=300)
    server = await serve(fake)
    page = await viewer.open(f"{fake.url}/predictions")
    windows = page.locator("#outlook tbody tr").first
    await expect(windows).to_contain_text("of 49")
    await page.get_by_text("24 h ahead").click()
    await expect(windows).to_contain_text("of 97")
    await expect(page.locator("#hours")).to_have_text("24")
    await shoot(page, "predictions-horizons")
    page = await viewer.open(f"{fake.url}/models?name=lane-4-24h")
    await expect(page.locator("#models tbody tr")).to_have_count(16)
    await expect(page.locator("#name")).to_have_value("lane-4-24h")
    await server.close()


async def test_a_window_that_changes_is_refreshed_without_a_layout_jump(
    viewer, site, fake
):
    page = await viewer.open(f"{site}/transformers?sort=-maximum_volts")
    await shown(page)
    start = FIRST_START + 59 * 900
    row = (11, 1, 50, 112.0, 115.0, 131.25, 7, 3)
    fake.add(2, windows_of(start, row), watermark=start + 600)
    moved = await layout_shift(page, 4_500)
    assert "131.25" == (await column(page, MAXIMUM))[0]
    assert 0 == moved


async def test_ten_thousand_transformers_open_in_a_second_and_scroll(viewer):
    fake = FakeWorker()
    fake.fill(transformers=10_000, starts=3)
    server = await serve(fake)
    page = await viewer.open(f"{fake.url}/transformers")
    await shown(page)
    await expect(page.locator("#count")).to_have_text("first 5,000 of 30,000 windows")
    rows = await page.locator("#windows tbody tr").count()
    assert rows < 100
    await page.evaluate("document.getElementById('viewport').scrollTop = 1e9")
    await expect(page.locator("[aria-rowindex='5001']")).to_be_visible()
    await server.close()


async def test_the_table_breathes_until_the_first_answer(viewer, site):
    release = asyncio.Event()

    async def slow(route):
        await release.wait()
        await route.continue_()

    page = await viewer.open(f"{site}/transformers", route=("**/api/**", slow))
    await expect(page.locator("#pulse-text")).to_have_text("Loading")
    assert 14 == await page.locator("#windows tbody tr").count()
    await shoot(page, "loading")
    release.set()
    await shown(page)
    assert await page.locator(".bone").count() == 0


async def test_an_empty_table_says_why(viewer):
    fake = FakeWorker()
    server = await serve(fake)
    page = await viewer.open(f"{fake.url}/transformers")
    await expect(page.locator("#empty")).to_contain_text("No windows yet")
    await shoot(page, "empty")
    await line_of(page).fill("7")
    await expect(page.locator("#empty")).to_contain_text("No window matches")
    page = await viewer.open(f"{fake.url}/transformers/11/3")
    await expect(page.locator("#empty")).to_contain_text("Nothing known")
    await server.close()


async def test_what_is_stale_says_so_and_comes_back(viewer, fake):
    server = await serve(fake)
    port = server.port
    page = await viewer.open(f"{fake.url}/transformers")
    await shown(page)
    before = await column(page, MAXIMUM)
    await server.close()
    await expect(page.locator("#pulse-text")).to_contain_text("Stale since")
    await expect(page.locator("#notice")).to_contain_text("cannot be reached")
    assert before == await column(page, MAXIMUM)
    await shoot(page, "stale")
    server = await serve(fake, port=port)
    await expect(page.locator("#pulse-text")).to_have_text("Live")
    await expect(page.locator("#notice")).to_be_hidden()
    await server.close()


async def test_a_worker_that_is_silent_is_stale(viewer, site, fake):
    page = await viewer.open(f"{site}/pipeline")
    await expect(page.locator("#pulse-text")).to_have_text("Live")
    fake.hold = asyncio.Event()  # Kafka, and so the page, now waits for it
    await expect(page.locator("#notice")).to_contain_text("no answer in time")
    fake.hold.set()
    await expect(page.locator("#pulse-text")).to_have_text("Live")


async def test_a_fault_of_the_worker_is_shown_in_its_own_words(viewer, site):
    async def refuse(route):
        body = json.dumps({"status": 500, "error": "This is a fault of the worker"})
        await route.fulfill(status=500, content_type="application/json", body=body)

    page = await viewer.open(f"{site}/transformers", route=("**/api/**", refuse))
    await expect(page.locator("#notice")).to_contain_text("a fault of the worker")
    await expect(page.locator("#pulse-text")).to_have_text("No answer")


async def test_a_worker_that_is_gone_is_named_beside_what_the_rest_knows(viewer, fake):
    for lane in (6, 7):
        del fake.states[lane]
    server = await serve(fake)
    fake.owners["http://127.0.0.1:1"] = [6, 7]
    page = await viewer.open(f"{fake.url}/transformers")
    await shown(page)
    await expect(page.locator("#pulse-text")).to_have_text("Incomplete")
    notice = "http://127.0.0.1:1 cannot be reached. Missing here: lanes 6, 7"
    await expect(page.locator("#notice")).to_contain_text(notice)
    await shoot(page, "incomplete")
    page = await viewer.open(fake.url, dark=True)
    await expect(page.locator("#lanes tr.is-missing")).to_have_count(2)
    await expect(page.locator("[data-figure=maximum_note]")).to_contain_text("missing")
    await shoot(page, "incomplete-overview-dark")
    await server.close()


@pytest.mark.parametrize("path", PATHS)
async def test_a_phone_shows_all_that_matters_without_scrolling_sideways(
    viewer, site, path
):
    page = await viewer.open(f"{site}{path}", size=PHONE)
    await expect(page.locator("#pulse")).to_have_attribute("data-state", "live")
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
    if path.startswith("/transformers"):
        await shown(page)
        await expect(page.locator("#windows .badge").first).to_be_in_viewport()
    await shoot(page, f"phone{path.replace('/', '-').rstrip('-')}")


@pytest.mark.parametrize("path", PATHS)
async def test_the_dark_is_dark(viewer, site, path):
    page = await viewer.open(f"{site}{path}", dark=True)
    await expect(page.locator("#pulse-text")).to_have_text("Live")
    ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert "rgb(14, 19, 23)" == ground
    await shoot(page, f"dark{path.replace('/', '-').rstrip('-')}")


async def test_a_page_without_the_charts_says_how_to_get_them(viewer, site):
    async def missing(route):
        await route.fulfill(status=404)

    route = ("**/uplot.*", missing)
    page = await viewer.open(f"{site}/transformers/11/3", route=route)
    await shown(page)
    await expect(page.locator("#chart")).to_contain_text("make install")


async def test_a_first_load_is_small(viewer, site):
    page = await viewer.open(site)
    await expect(page.locator("#chart canvas")).to_be_visible()
    sizes = await page.evaluate(
        "performance.getEntriesByType('resource').map((entry) => entry.transferSize)"
    )
    assert sum(sizes) < 500_000


async def test_the_table_can_be_used_by_keyboard(viewer, site):
    page = await viewer.open(f"{site}/transformers")
    await shown(page)
    await page.keyboard.press("Tab")
    await expect(page.locator(".skip")).to_be_focused()
    await page.locator("[data-sort=maximum_volts] button").focus()
    await page.keyboard.press("Enter")
    head = page.locator("[data-sort=maximum_volts]")
    await expect(head).to_have_attribute("aria-sort", "descending")
    await page.locator("#viewport").focus()
    await page.keyboard.press("End")
    await expect(page.locator("[aria-rowindex='1261']")).to_be_visible()


async def test_a_person_signs_in_and_out(viewer):
    known = "a-token-to-read-with"
    fake = FakeWorker(environ={"SMARTMETER_WORKER__READ_TOKEN": known})
    fake.fill(transformers=21, starts=4)
    server = await serve(fake)
    page = await viewer.open(f"{fake.url}/transformers?state=open")
    await expect(page).to_have_title("Sign in · smartmeter")
    await page.get_by_label("Token").fill("not-the-token-at-all")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#refused")).to_contain_text("not known here")
    await shoot(page, "sign-in")
    await page.get_by_label("Token").fill(known)
    await page.get_by_role("button", name="Sign in").click()
    await shown(page)
    assert page.url.endswith("/transformers?state=open")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page).to_have_title("Sign in · smartmeter")
    await page.goto(f"{fake.url}/top")
    await expect(page).to_have_title("Sign in · smartmeter")
    await server.close()
