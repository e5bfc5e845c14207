"""Bring the charts of the web view: `python -m deploy.assets`, part of `make install`.

uPlot comes as a jar of JavaScript, with its SHA-256 pinned as those of the servers are,
so that a machine needs no Node. Its files are not committed; a wheel that is built
after this carries them.
"""

import sys
import zipfile
from pathlib import Path

from deploy.local import jars
from deploy.local.errors import LauncherError

__all__ = ["FILES", "STATIC", "bring"]

STATIC = Path(__file__).parents[1] / "app" / "views" / "static"
FILES = {
    "dist/uPlot.iife.min.js": "uplot.js",
    "dist/uPlot.min.css": "uplot.css",
    "LICENSE": "uplot.LICENSE",
}


def bring(static: Path = STATIC) -> list[Path]:
    """Unpack the files that a browser gets, where they are not there yet.

    Raises:
        LauncherError: The jar cannot be had, or is not the one that was listed.
    """
    wanted = {inside: static / name for inside, name in FILES.items()}
    if not all(path.exists() for path in wanted.values()):
        (jar,) = jars.classpath("charts", lambda line: print(line, file=sys.stderr))
        with zipfile.ZipFile(jar) as archive:
            (root,) = {
                name.removesuffix("LICENSE")
                for name in archive.namelist()
                if name.endswith("/LICENSE")
            }
            for inside, path in wanted.items():
                path.write_bytes(archive.read(root + inside))
    return list(wanted.values())


if __name__ == "__main__":
    try:
        bring()
    except LauncherError as error:
        sys.exit(f"deploy.assets: {error}")
