"""Errors of the system, as a tree.

SmartMeterError
├── RejectedMessage        a message is of no use: to the dead letters with a reason
├── RejectedRow            the store refuses a row for its content: to the dead letters
├── RejectedQuery          the store refuses a statement: tell who wrote it
├── SinkUnavailable        the store is away: back off and try again (retriable)
├── NatsUnavailable        no NATS server answers: wait and try again (retriable)
├── KafkaUnavailable       no broker answers: wait and try again (retriable)
├── HopFailed              a hop of the road does not do its work: the doctor says so
└── FatalError             the process must stop, exit code 1
    ├── SettingsError      a setting is wrong: exit code 2
    ├── AccessDenied       NATS or Kafka refuses who we are, or is not whom we trust
    ├── TopicMismatch      a Kafka topic is missing or has other partitions
    ├── SchemaMismatch     the keyspace is missing or has another version
    ├── StreamUnavailable  the JetStream stream is missing, or takes nothing
    └── StateDiverged      what was to be durable is not: stop before acknowledging
        └── RejectedState  a checkpoint of models is malformed or not finite
"""

import errno
from enum import StrEnum

__all__ = [
    "AccessDenied",
    "FatalError",
    "HopFailed",
    "KafkaUnavailable",
    "NatsUnavailable",
    "Reason",
    "RejectedMessage",
    "RejectedQuery",
    "RejectedRow",
    "RejectedState",
    "SchemaMismatch",
    "SettingsError",
    "SinkUnavailable",
    "SmartMeterError",
    "StateDiverged",
    "StreamUnavailable",
    "TopicMismatch",
    "system_words",
]


class Reason(StrEnum):
    """Why a message became a dead letter: the closed list behind the metrics' label."""

    SUBJECT = "subject"  # too few or too many tokens, or an unknown kind
    KEY = "key"  # line, transformer or usage point is not a positive 32-bit integer
    EMPTY = "empty"  # no payload
    LENGTH = "length"  # neither a known binary length nor JSON
    VERSION = "version"  # a format version this build does not know
    ENCODING = "encoding"  # not UTF-8
    JSON = "json"  # not JSON, or not the shape of a reading
    NOT_A_NUMBER = "not_a_number"  # NaN, infinite, or no number where one is due
    VOLTAGE_RANGE = "voltage_range"  # outside the absurdity limits
    TEMPERATURE_RANGE = "temperature_range"  # colder or hotter than Earth
    TIME_RANGE = "time_range"  # before the epoch or in milliseconds
    FUTURE = "future"  # later than arrival plus the clock skew allowed
    OVERSIZED = "oversized"  # larger than one message may be
    ROW_REFUSED = "row_refused"  # Cassandra refused the row for its content


class SmartMeterError(Exception):
    """Base of every error raised by this system."""

    retriable = False
    exit_code = 1


class RejectedMessage(SmartMeterError):
    """A message cannot be used; it goes to the dead letters."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class RejectedRow(SmartMeterError):
    """The store refuses a row for its content; its neighbours are written."""


class RejectedQuery(SmartMeterError):
    """The store refuses a statement: what it asks for is wrong, or not permitted."""


class SinkUnavailable(SmartMeterError):
    """The store cannot take rows now; wait and try again."""

    retriable = True

    def __init__(self, detail: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class KafkaUnavailable(SmartMeterError):
    """No broker answers; wait and try again."""

    retriable = True


class NatsUnavailable(SmartMeterError):
    """No NATS server answers; wait and try again."""

    retriable = True


class HopFailed(SmartMeterError):
    """A hop of the road does not do its work; the message names it."""


class FatalError(SmartMeterError):
    """The process must stop; a supervisor or a person decides what next."""


class SettingsError(FatalError):
    """A setting is wrong; the message names the variable."""

    exit_code = 2


class AccessDenied(FatalError):
    """NATS or Kafka refuses our credentials, or shows a certificate we do not trust."""


class TopicMismatch(FatalError):
    """A Kafka topic is missing, or is not as the topology says."""


class SchemaMismatch(FatalError):
    """The keyspace is missing, or has another version than this build."""


class StreamUnavailable(FatalError):
    """The JetStream stream is missing, or takes nothing for too long."""


class StateDiverged(FatalError):
    """A write that guards exactness was refused; stop before acknowledging."""


class RejectedState(StateDiverged):
    """A checkpoint of forecasting models cannot be used; says what is wrong with it."""


NEXT_STEPS = {
    errno.ENOSPC: "the disk is full: free some space, or choose another place",
    errno.EDQUOT: "the quota is used up: free some space, or choose another place",
    errno.EACCES: "this user may not: change its rights, or choose another place",
    errno.EROFS: "the file system is read-only: choose another place",
    errno.EMFILE: "too many files are open: raise the limit (`ulimit -n`)",
}


def system_words(error: OSError) -> str:
    """Return what an error of the system means, where, and what to do next.

    >>> system_words(OSError(errno.ENOSPC, "No space left on device", "/data/a.csv"))
    '/data/a.csv: the disk is full: free some space, or choose another place'
    """
    where = f"{error.filename}: " if error.filename else ""
    said = error.strerror or str(error) or type(error).__name__
    return f"{where}{NEXT_STEPS.get(error.errno or 0, said)}"
