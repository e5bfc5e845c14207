"""Advisories from a folder, asked for as OSV's are: an audit where nobody can be asked.

    python -m deploy.advisories FOLDER pip-audit -s osv --osv-url {url} ...

FOLDER holds advisories in OSV's form, as YAML or JSON: a checkout of PyPA's advisory
database, or of GitHub's. They are served on loopback while the command runs, which is
told where; its exit code is this one's. What came to light after the newest advisory is
not known, so that one's date is printed.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

__all__ = ["Advisories", "is_affected", "main"]

Advisory = Mapping[str, Any]
SUFFIXES = {".yaml", ".yml", ".json"}
QUESTION_BYTES_MAX = 65_536
FIRST = Version("0.dev0")


class Advisories:
    """Those of a folder that are about packages of PyPI, by package."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self.newest = ""
        self._by_package: dict[str, list[tuple[Advisory, Advisory]]] = {}
        for advisory in _read(folder):
            packages = [
                each
                for each in advisory["affected"]
                if each.get("package", {}).get("ecosystem") == "PyPI"
            ]
            for each in packages:
                name = canonicalize_name(each["package"]["name"])
                self._by_package.setdefault(name, []).append((advisory, each))
            if packages:
                self.count += 1
                at = advisory.get("modified", advisory.get("published", ""))
                self.newest = max(self.newest, at)

    def about(self, package: str, version: str) -> list[Advisory]:
        """Return what is known of a version of a package."""
        known = self._by_package.get(canonicalize_name(package), [])
        return [advisory for advisory, each in known if is_affected(version, each)]


def is_affected(version: str, package: Advisory) -> bool:
    """Tell whether a version is among those that an advisory names, or in its ranges.

    As in OSV's schema, section "Evaluation": a range is open from what introduced the
    fault to what mended it.
    """
    if version in package.get("versions", ()):
        return True
    ranges = [r for r in package.get("ranges", ()) if r["type"] == "ECOSYSTEM"]
    return any(_is_within(Version(version), each["events"]) for each in ranges)


def _is_within(version: Version, events: list[Mapping[str, str]]) -> bool:
    is_open = False
    for at, kind in sorted(_steps(events), key=lambda step: step[0]):
        if kind == "introduced" and version >= at:
            is_open = True
        elif (kind == "fixed" and version >= at) or (
            kind == "last_affected" and version > at
        ):
            is_open = False
    return is_open


def _steps(events: list[Mapping[str, str]]) -> Iterator[tuple[Version, str]]:
    """Yield the version and the kind of each event; 0 comes before all others.

    What cannot be read as a version brings a fault from the first one on, and mends
    none: rather one advisory too many than one too few.
    """
    for event in events:
        for kind, at in event.items():
            try:
                yield (FIRST if at == "0" else Version(at)), kind
            except InvalidVersion:
                if kind == "introduced":
                    yield FIRST, kind


def _read(folder: Path) -> Iterator[Advisory]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            # The base loader leaves versions and dates as they are written.
            found = yaml.load(path.read_bytes(), yaml.CBaseLoader)  # noqa: S506
            if isinstance(found, dict) and {"id", "affected"} <= found.keys():
                yield found


def _handler(advisories: Advisories) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = min(int(self.headers["Content-Length"]), QUESTION_BYTES_MAX)
            question = json.loads(self.rfile.read(size))
            name, version = question["package"]["name"], question["version"]
            body = json.dumps({"vulns": advisories.about(name, version)}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass  # a line for each of a hundred packages helps nobody

    return Handler


def main(words: list[str]) -> int:
    """Serve a folder's advisories while a command runs; return its exit code."""
    place, *command = words
    folder = Path(place)
    if not folder.is_dir():
        print(f"audit: {folder} is no folder; check out PyPA's advisory database")
        return 2
    advisories = Advisories(folder)
    if not advisories.count:
        print(f"audit: {folder} holds no advisory in OSV's form about PyPI's packages")
        return 2
    print(
        f"audit: {advisories.count:,} advisories in {folder}, the newest of"
        f" {advisories.newest[:10]}; what came to light later is not in them",
        flush=True,
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(advisories))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    try:
        return subprocess.run(
            [word.replace("{url}", url) for word in command], check=False
        ).returncode
    finally:
        server.shutdown()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
