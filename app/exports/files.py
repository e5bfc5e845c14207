"""A file that has its name once it is whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from app.errors import SmartMeterError, system_words

__all__ = ["whole_file"]

SUFFIX = ".partial"


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write; it gets its name if the block ends well, or is removed.

    Raises:
        SmartMeterError: The folder is missing, the disk is full, and the like.
    """
    partial = path.with_name(path.name + SUFFIX)
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise SmartMeterError(system_words(_at(error, path))) from None
    finally:
        partial.unlink(missing_ok=True)


def _at(error: OSError, path: Path) -> OSError:
    """Return an error as one of a file: what a write raises names none."""
    return OSError(error.errno, error.strerror or str(error), str(path))
