"""Log lines: pretty on a terminal, one JSON object a line otherwise; stdout only."""

import logging
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TextIO

import orjson
from rich.console import Console
from rich.logging import RichHandler

from app.errors import system_words

__all__ = ["JsonFormatter", "Repeats", "configure", "handler"]

# What asyncio says of each TLS connection that nats-py or aiokafka ends in good order.
END_OF_TLS = "returning true from eof_received()"


# aiokafka tells of a broker that is away ten times a second, for as long as it is.
TALKATIVE = "aiokafka"
REPEAT_SECONDS = 10.0
WORDINGS_MAX = 1_000


class Repeats(logging.Filter):
    """Lets what Kafka's client says over and over through once in a while.

    Alike are records of one logger with one wording, whatever is filled in.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._shown: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is shown; it says how many were not, before it."""
        if not record.name.startswith(TALKATIVE):
            return True
        key = (record.name, str(record.msg))
        since, hidden = self._shown.get(key, (-REPEAT_SECONDS, 0))
        now = self._clock()
        if len(self._shown) > WORDINGS_MAX:
            self._shown.clear()
        if now - since < REPEAT_SECONDS:
            self._shown[key] = (since, hidden + 1)
            return False
        self._shown[key] = (now, 0)
        if hidden:
            record.msg = f"{record.getMessage()} (and {hidden} times before)"
            record.args = ()
        return True


class JsonFormatter(logging.Formatter):
    """Format a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's time, level, logger and message as JSON."""
        line = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


class Lines(logging.StreamHandler[TextIO]):
    """Writes lines; where they cannot be written, says so once, and goes on."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(JsonFormatter())
        self._is_told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's
        """Say what is wrong with the log on standard error, without a trace."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._is_told:
            self._is_told = True
            with suppress(OSError):  # it may lie on the same disk
                said = f"the log: {system_words(error)}; work goes on, unlogged"
                sys.stderr.write(f"smartmeter: {said}\n")


def handler() -> logging.Handler:
    """Return the one handler that every process uses."""
    found: logging.Handler
    if sys.stdout.isatty():
        found = RichHandler(console=Console(), show_path=False, rich_tracebacks=False)
    else:
        found = Lines(sys.stdout)
    found.addFilter(Repeats())
    return found


def configure(level: str) -> None:
    """Send all log lines of this process to the handler."""
    logging.basicConfig(level=level.upper(), handlers=[handler()], force=True)
    # One line per retry of every client, and Faust's dozens at each start and stop,
    # are noise beside our own events.
    for name in ("aiokafka", "kafka", "nats"):
        logging.getLogger(name).setLevel("ERROR")
    # It tells each failed attempt with its trace; we tell it once, in a line.
    logging.getLogger("cassandra").setLevel("CRITICAL")
    logging.getLogger("asyncio").addFilter(_tells_something)
    if level != "debug":
        for name in ("faust", "mode"):
            logging.getLogger(name).setLevel("WARNING")


def _tells_something(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(END_OF_TLS)
