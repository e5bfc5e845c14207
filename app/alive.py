"""Ask the process of this container whether it lives: `python -m app.alive`.

The health check of the image. Engines start it every few seconds, so that it imports
the standard library alone and reads no settings but whom to trust; what it prints is
what the engine shows. LIVE_PORT is where to ask, if it is not the usual port.
"""

import http.client
import os
import ssl
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

__all__ = ["PORTS", "ask", "port_of"]

# The usual ports, by the words of `smartmeter`; the rest are steps that end.
PORTS = {
    "bridge": 6090,
    "worker": 6066,
    "archive": 6080,
    "exporter": 6085,
    "simulate": 6095,
}
ANSWER_SECONDS_MAX = 4.0
REASON_BYTES_MAX = 1000


def port_of(words: Sequence[str], environ: Mapping[str, str]) -> int | None:
    """Return the port of a process by its command line; None: it has no pages.

    >>> port_of(["python", "/opt/smartmeter/bin/smartmeter", "bridge"], {})
    6090
    >>> port_of(["python", "/opt/smartmeter/bin/smartmeter", "topics"], {}) is None
    True
    """
    if told := environ.get("LIVE_PORT"):
        return int(told)
    names = [PurePath(word).name for word in words]
    after = names.index("smartmeter") + 1 if "smartmeter" in names else len(names)
    return PORTS.get(names[after]) if after < len(names) else None


def ask(port: int, authority: str | None = None) -> tuple[bool, str]:
    """Return whether /live of this machine says yes, and what it says.

    Args:
        port: Where the process answers.
        authority: Path of whom to trust; without, pages are in the clear.
    """
    # Not urllib: it would ask the proxy that an engine may put into the environment.
    if authority:
        trust = ssl.create_default_context(cafile=authority)
        asked: http.client.HTTPConnection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=ANSWER_SECONDS_MAX, context=trust
        )
    else:
        asked = http.client.HTTPConnection(
            "127.0.0.1", port, timeout=ANSWER_SECONDS_MAX
        )
    try:
        asked.request("GET", "/live")
        answer = asked.getresponse()
        said = answer.read(REASON_BYTES_MAX).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return False, f"port {port}: {error or type(error).__name__}"
    finally:
        asked.close()
    return answer.status == http.HTTPStatus.OK, said


def main() -> None:
    """Print what the first process of this container says; exit with 1 if it is ill."""
    words = Path("/proc/1/cmdline").read_text(encoding="utf-8").split("\0")
    port = port_of(words, os.environ)
    if port is not None:
        alive, said = ask(port, os.environ.get("SMARTMETER_WEB__CA_FILE"))
        sys.stdout.write(f"{said}\n")
        sys.exit(not alive)


if __name__ == "__main__":
    main()
