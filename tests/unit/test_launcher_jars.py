"""The lists of jars name every jar exactly, and what is not listed is refused."""

import hashlib
import re

import pytest

from deploy.local import jars, lock
from deploy.local.errors import LauncherError


@pytest.mark.parametrize("name", lock.ROOTS)
def test_list_pins_coordinates_and_digest_of_every_jar(name):
    listed = jars.read_list(name)
    assert listed
    for jar in listed:
        assert re.fullmatch(r"[\w.-]+:[\w.-]+:[\w.-]+(:[\w.-]+)?", jar.coordinates)
        assert re.fullmatch(r"[0-9a-f]{64}", jar.sha256)
    assert set(lock.ROOTS[name]) <= {jar.coordinates for jar in listed}


class FakeArtifact:
    """A jar whose download writes given bytes."""

    def __init__(self, path, content):
        self.cached_path = path
        self.content = content
        self.downloads = 0

    def resolve(self):
        if not self.cached_path.exists():
            self.downloads += 1
            self.cached_path.write_bytes(self.content)


class FakeMaven:
    def __init__(self, artifact):
        self.found = artifact

    def project(self, *_):
        return self

    def at_version(self, _):
        return self

    def artifact(self, *_):
        return self.found


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """One server whose only jar is the bytes `right`."""
    digest = hashlib.sha256(b"right").hexdigest()
    (tmp_path / "one.txt").write_text(f"# a comment\ng:one:1 {digest}\n")
    monkeypatch.setattr(jars, "LISTS", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def offered(content):
        artifact = FakeArtifact(tmp_path / "one.jar", content)
        monkeypatch.setattr(jars, "maven_context", lambda _: FakeMaven(artifact))
        return artifact

    return offered


def silent(line):
    del line


def test_jar_is_fetched_once_and_found_at_once_after_that(listed):
    artifact = listed(b"right")
    assert [artifact.cached_path] == jars.classpath("one", silent)

    listed(b"never asked for")
    assert [artifact.cached_path] == jars.classpath("one", silent)
    assert 1 == artifact.downloads


def test_jar_that_an_interrupted_run_left_in_part_is_fetched_again(listed):
    artifact = listed(b"right")
    artifact.cached_path.write_bytes(b"rig")
    jars.classpath("one", silent)
    assert b"right" == artifact.cached_path.read_bytes()


def test_jar_with_another_digest_is_refused_and_removed(listed):
    artifact = listed(b"wrong")
    with pytest.raises(LauncherError, match="g:one:1 is not the jar that"):
        jars.classpath("one", silent)
    assert not artifact.cached_path.exists()


def test_jar_that_vanished_is_fetched_again(listed):
    artifact = listed(b"right")
    jars.classpath("one", silent)
    artifact.cached_path.unlink()
    jars.classpath("one", silent)
    assert 2 == artifact.downloads


def test_jar_that_cannot_be_had_names_itself_and_a_remedy(listed, monkeypatch):
    artifact = listed(b"right")

    def missing():
        raise RuntimeError("not found in remote repositories")

    monkeypatch.setattr(artifact, "resolve", missing)
    with pytest.raises(LauncherError, match=r"cannot fetch g:one:1.*mirror"):
        jars.classpath("one", silent)
