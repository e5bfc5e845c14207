"""The charts come from the pinned jar, and nowhere else."""

import zipfile

import pytest

from deploy import assets
from deploy.local import jars, lock

ROOT = "META-INF/resources/webjars/uplot/1.6.30/"


@pytest.fixture
def jar(tmp_path, monkeypatch):
    path = tmp_path / "uplot.jar"
    with zipfile.ZipFile(path, "w") as archive:
        for inside in assets.FILES:
            archive.writestr(ROOT + inside, f"this is {inside}")
        archive.writestr(ROOT + "dist/uPlot.cjs.js", "not for a browser")
    monkeypatch.setattr(jars, "classpath", lambda *_: [path])
    return path


def test_the_files_of_a_browser_are_unpacked_and_no_others(jar, tmp_path):
    static = tmp_path / "static"
    static.mkdir()
    assets.bring(static)
    assert sorted(assets.FILES.values()) == sorted(p.name for p in static.iterdir())
    text = (static / "uplot.js").read_text()
    assert "this is dist/uPlot.iife.min.js" == text


def test_nothing_is_fetched_where_all_is_there(tmp_path, monkeypatch):
    for name in assets.FILES.values():
        (tmp_path / name).write_text("here")
    monkeypatch.delattr(jars, "classpath")
    assets.bring(tmp_path)
    assert "here" == (tmp_path / "uplot.js").read_text()


def test_the_charts_are_pinned_as_the_servers_are():
    (pinned,) = jars.read_list("charts")
    assert list(lock.ROOTS["charts"]) == [pinned.coordinates]
    assert 64 == len(pinned.sha256)
