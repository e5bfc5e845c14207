"""What went wrong, in one line for a person; for errors that the drivers raise."""

from typing import NamedTuple

from app.errors import SmartMeterError, system_words

__all__ = ["Failure", "failure"]

DRIVERS = {"aiokafka": "Kafka", "nats": "NATS", "cassandra": "Cassandra"}
MORE = "`smartmeter doctor` says more"


class Failure(NamedTuple):
    """A line, and the exit code."""

    line: str
    exit_code: int = 1


def failure(error: BaseException) -> Failure | None:
    """Return what an error of the system or of a driver says; None for a bug of ours.

    >>> failure(FileNotFoundError(2, "No such file or directory", "a.json")).line
    'a.json: No such file or directory'
    >>> failure(ZeroDivisionError()) is None
    True
    """
    if isinstance(error, BaseExceptionGroup):
        return failure(error.exceptions[0])
    if isinstance(error, SmartMeterError):
        return Failure(str(error), error.exit_code)
    if isinstance(error, TimeoutError) and not error.errno:
        return Failure(f"{error if error.args else 'no answer in time'}; {MORE}")
    if isinstance(error, OSError):
        return Failure(system_words(error))
    driver = DRIVERS.get(type(error).__module__.partition(".")[0])
    if driver is None:
        return None
    said = str(error).removeprefix("nats: ").strip() or type(error).__name__
    return Failure(f"{driver}: {said.splitlines()[0]}; {MORE}")
