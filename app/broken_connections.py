"""A connection to Kafka that broke, told to aiokafka in words that it knows.

aiokafka takes an OSError from a socket as a broken connection, and tries again. uvloop
raises a RuntimeError where something writes to a connection that is closed already:
aiokafka's task that refreshes its knowledge of the brokers then dies, and whoever waits
for it dies with it. Found with Kafka away for half a minute: the bridge ended.
"""

from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

__all__ = ["mend"]

_send = AIOKafkaConnection.send


def _send_or_close(self: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return _send(self, *arguments, **options)
    except RuntimeError as error:
        self.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(
            f"Connection at {self.host}:{self.port} broken: {error}"
        ) from error


def mend() -> None:
    """Have aiokafka treat uvloop's word for a closed connection as what it is."""
    AIOKafkaConnection.send = _send_or_close
