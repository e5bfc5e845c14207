"""The jars of Kafka and Cassandra: named in `pinned/*.txt`, fetched once.

The lists carry every jar's coordinates and SHA-256, so nothing is worked out, and
nothing runs but what was reviewed. `jgo` fetches them, without Java or Maven.
`python -m deploy.local.lock` writes the lists anew.
"""

import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tenacity

from deploy.local.errors import LauncherError

__all__ = [
    "LISTS",
    "Jar",
    "cache_folder",
    "classpath",
    "digest",
    "maven_context",
    "read_list",
]

LISTS = Path(__file__).parent / "pinned"
PARALLEL = 8
TRIES_MAX = 4
REQUEST_SECONDS_MAX = 30

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Jar:
    """One jar: `group:artifact:version[:classifier]` and the SHA-256 of its bytes."""

    coordinates: str
    sha256: str

    def artifact(self, context: Any) -> Any:
        """Return jgo's notion of it."""
        group, name, version, *classifier = self.coordinates.split(":")
        component = context.project(group, name).at_version(version)
        return component.artifact(*classifier)


def cache_folder() -> Path:
    """Return the user's cache, which all folders and clones share."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "smartmeter")


def read_list(name: str) -> list[Jar]:
    """Read the list of one server's jars."""
    lines = (LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [Jar(*line.split()) for line in lines if line and not line.startswith("#")]


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def classpath(name: str, report: Report) -> list[Path]:
    """Return the jars of a server, fetched where they are not here yet.

    Raises:
        LauncherError: A jar cannot be had, or is not the one that was listed.
    """
    cache = cache_folder()
    listed = digest(LISTS / f"{name}.txt")
    manifest = cache / "classpaths" / f"{name}-{listed[:16]}.txt"
    if found := _recorded(manifest):
        return found
    with _only_one(cache / "lock", report):
        if found := _recorded(manifest):
            return found
        paths = _fetch_all(name, read_list(name), cache / "maven", report)
        manifest.parent.mkdir(parents=True, exist_ok=True)
        written = manifest.with_suffix(".part")
        written.write_text("\n".join(map(str, paths)), encoding="utf-8")
        written.replace(manifest)
    return paths


def maven_context(repository: Path) -> Any:
    """Return jgo's view of Maven: pure Python, the user's mirrors, our own cache."""
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    mirrors = GlobalSettings.load().repositories
    return MavenContext(
        repo_cache=repository,
        remote_repos=dict(mirrors) or None,
        timeout=REQUEST_SECONDS_MAX,
    )


def _recorded(manifest: Path) -> list[Path]:
    """Return the class path that an earlier run checked, if all of it is still here."""
    try:
        paths = [Path(line) for line in manifest.read_text("utf-8").splitlines()]
    except FileNotFoundError:
        return []
    return paths if all(path.exists() for path in paths) else []


def _fetch_all(
    name: str, jars: list[Jar], repository: Path, report: Report
) -> list[Path]:
    context = maven_context(repository)
    stop = threading.Event()
    report(f"{name}: fetching {len(jars)} jars (once; they stay in {repository})")
    with ThreadPoolExecutor(PARALLEL) as pool:
        futures = {pool.submit(_fetch, jar, context, stop): jar for jar in jars}
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                if done % 10 == 0 or done == len(jars):
                    report(f"{name}: {done} of {len(jars)} jars")
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [Path(jar.artifact(context).cached_path) for jar in jars]


def _fetch(jar: Jar, context: Any, stop: threading.Event) -> None:
    import requests

    artifact = jar.artifact(context)
    path = Path(artifact.cached_path)

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type(requests.RequestException),
        stop=tenacity.stop_after_attempt(TRIES_MAX)
        | tenacity.stop_when_event_set(stop),
        wait=tenacity.wait_exponential(multiplier=0.5, max=5)
        + tenacity.wait_random(0, 0.5),
        sleep=tenacity.sleep_using_event(stop),
        reraise=True,
    )
    def fetch() -> None:
        # What an interrupted run left is not whole: the digest tells.
        if path.exists() and digest(path) != jar.sha256:
            path.unlink()
        artifact.resolve()

    try:
        fetch()
    except (requests.RequestException, RuntimeError, OSError) as error:
        raise LauncherError(
            f"cannot fetch {jar.coordinates} ({type(error).__name__}): check the"
            " network, or name a mirror under [repositories] in ~/.config/jgo.conf"
        ) from error
    if digest(path) != jar.sha256:
        path.unlink()
        raise LauncherError(
            f"{jar.coordinates} is not the jar that {LISTS.name}/ names: its SHA-256"
            " differs; try again, and distrust the repository if it stays so"
        )


@contextmanager
def _only_one(lock: Path, report: Report) -> Iterator[None]:
    """Let one launcher at a time fetch into the cache."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another launcher that is fetching jars")
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
