"""Settings: environment variables `SMARTMETER_<SECTION>__<NAME>`, frozen once read.

Each one may instead be given as `…_FILE`, the path of a file that holds the value
(a mounted secret). A field's description is its documentation: `smartmeter settings`
and the operator's table are printed from it.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, SecretStr, ValidationError

from app.errors import SettingsError
from app.settings.archive import Archive
from app.settings.base import Encrypted, Section
from app.settings.exporter import Exporter
from app.settings.sections import (
    Bridge,
    Forecast,
    Kafka,
    Nats,
    Worker,
)
from app.settings.web import Web
from app.settings.windows import Alerts, Windows

__all__ = ["PREFIX", "Settings", "describe", "load", "variable"]

PREFIX = "SMARTMETER_"
DELIMITER = "__"
FILE_SUFFIX = "_FILE"
TEST_PREFIX = PREFIX + "TEST_"  # the test suite's own, not ours to judge


class Settings(Section):
    """All settings of all processes."""

    namespace: str = Field(
        "smartmeter",
        pattern=r"^[a-z][a-z0-9_]{0,39}$",
        description="First word of every subject, topic, group and the keyspace.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log line shown."
    )
    nats: Nats = Nats()
    kafka: Kafka = Kafka()
    windows: Windows = Windows()
    alerts: Alerts = Alerts()
    bridge: Bridge = Bridge()
    worker: Worker = Worker()
    archive: Archive = Archive()
    forecast: Forecast = Forecast()
    exporter: Exporter = Exporter()
    web: Web = Web()


class Described(NamedTuple):
    """One setting as a person reads it."""

    name: str
    value: str
    source: Literal["default", "environment", "file"]
    description: str


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from an environment (default: this process's).

    A name that no setting has is refused too: a misspelt variable would otherwise
    leave the default in force without a word.

    Raises:
        SettingsError: A variable is unknown or its value is wrong; names the variable.
    """
    values = _nested(os.environ if environ is None else environ)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = "no such setting (see `smartmeter settings`)"
        raise SettingsError(f"{variable(*first['loc'])}: {message}") from None


def variable(*path: str | int) -> str:
    """Return the environment variable of a setting.

    >>> variable("kafka", "lanes")
    'SMARTMETER_KAFKA__LANES'
    """
    return PREFIX + DELIMITER.join(str(part).upper() for part in path)


def describe(
    settings: Settings, environ: Mapping[str, str] | None = None
) -> Iterator[Described]:
    """Yield every setting with its value, source and meaning; secrets stay hidden."""
    environ = os.environ if environ is None else environ
    for path, description, value in _walk(settings):
        name = variable(*path)
        shown = "(hidden)" if isinstance(value, SecretStr) and value else str(value)
        shown = " ".join(shown.split())  # a voltage standard of one's own has lines
        source: Literal["default", "environment", "file"] = "default"
        if name in environ:
            source = "environment"
        elif name + FILE_SUFFIX in environ:
            source = "file"
        yield Described(name, shown, source, description)


def _walk(
    section: Section, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    fields = type(section).model_fields.items()
    # What a section shares with others comes after its own.
    for name, field in sorted(fields, key=lambda f: f[0] in Encrypted.model_fields):
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _walk(value, (*path, name))
        else:
            yield (*path, name), field.description or "", value


def _nested(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name.startswith(TEST_PREFIX):
            continue
        target, value = name, text
        if name.endswith(FILE_SUFFIX):
            target, value = name.removesuffix(FILE_SUFFIX), _secret(name, text)
            if target in environ:
                raise SettingsError(f"{target}: given both as value and as {name}")
        *sections, last = target.removeprefix(PREFIX).lower().split(DELIMITER)
        place = values
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise SettingsError(f"{target}: {section} is not a section")
        place[last] = value
    return values


def _secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: cannot read the file: {error}") from None
