"""What went wrong, in one line for a person; for errors that the drivers raise."""

import errno
from typing import NamedTuple

from app.errors import SmartMeterError

__all__ = ["Failure", "failure"]

NEXT_STEPS = {
    errno.ENOSPC: "the disk is full: free some space, or choose another place",
    errno.EDQUOT: "the quota is used up: free some space, or choose another place",
    errno.EACCES: "this user may not: change its rights, or choose another place",
    errno.EROFS: "the file system is read-only: choose another place",
}
DRIVERS = {"aiokafka": "Kafka", "nats": "NATS", "cassandra": "Cassandra"}
MORE = "`smartmeter doctor` says more"


class Failure(NamedTuple):
    """A line, and the exit code."""

    line: str
    exit_code: int = 1


def failure(error: BaseException) -> Failure | None:
    """Return what an error of the system or of a driver says; None for a bug of ours.

    >>> failure(OSError(errno.ENOSPC, "No space left on device", "/data/a.csv")).line
    '/data/a.csv: the disk is full: free some space, or choose another place'
    >>> failure(ZeroDivisionError()) is None
    True
    """
    if isinstance(error, BaseExceptionGroup):
        return failure(error.exceptions[0])
    if isinstance(error, SmartMeterError):
        return Failure(str(error), error.exit_code)
    if isinstance(error, OSError):
        return Failure(_system(error))
    driver = DRIVERS.get(type(error).__module__.partition(".")[0])
    if driver is None:
        return None
    said = str(error).removeprefix("nats: ").strip() or type(error).__name__
    return Failure(f"{driver}: {said.splitlines()[0]}; {MORE}")


def _system(error: OSError) -> str:
    if isinstance(error, TimeoutError) and not error.errno:
        return f"{error if error.args else 'no answer in time'}; {MORE}"
    where = f"{error.filename}: " if error.filename else ""
    said = str(error) or type(error).__name__
    return f"{where}{NEXT_STEPS.get(error.errno or 0) or error.strerror or said}"
