"""Log lines: pretty on a terminal, one JSON object a line otherwise; stdout only."""

import logging
import sys
from datetime import UTC, datetime

import orjson
from rich.console import Console
from rich.logging import RichHandler

__all__ = ["JsonFormatter", "configure", "handler"]

# What asyncio says of each TLS connection that nats-py or aiokafka ends in good order.
END_OF_TLS = "returning true from eof_received()"


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


def handler() -> logging.Handler:
    """Return the one handler that every process uses."""
    if sys.stdout.isatty():
        return RichHandler(console=Console(), show_path=False, rich_tracebacks=False)
    plain = logging.StreamHandler(sys.stdout)
    plain.setFormatter(JsonFormatter())
    return plain


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
