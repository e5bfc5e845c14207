"""What Prometheus says of our processes: which it does not hear, and what fires."""

from typing import Any

import aiohttp

from app.errors import SmartMeterError
from app.settings.web import Web
from app.tls import distrust, pages_trust

__all__ = ["PrometheusTrouble", "look", "verdict"]

ANSWER_SECONDS_MAX = 10.0


class PrometheusTrouble(SmartMeterError):
    """Prometheus is away, misses a process, or has an alert that fires."""


async def look(address: str, web: Web) -> str:
    """Ask a Prometheus, and return what there is to say when all is well.

    web says whom to trust where its address is https.

    Raises:
        PrometheusTrouble: It does not answer, misses a process, or something fires.
    """
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
    try:
        connector = aiohttp.TCPConnector(ssl=pages_trust(web))
        async with aiohttp.ClientSession(
            timeout=timeout, connector=connector
        ) as session:
            targets = await _ask(session, address, "targets?state=active")
            alerts = await _ask(session, address, "alerts")
    except aiohttp.ClientConnectorCertificateError as error:
        raise PrometheusTrouble(f"{address} {distrust(error)}") from None
    except (aiohttp.ClientError, OSError, TimeoutError, KeyError, ValueError) as error:
        said = str(error) or type(error).__name__
        raise PrometheusTrouble(
            f"no Prometheus answers at {address} ({said}):"
            " start it (`make prometheus`), or give the right --prometheus"
        ) from None
    return verdict(targets["activeTargets"], alerts["alerts"])


def verdict(targets: list[dict[str, Any]], alerts: list[dict[str, Any]]) -> str:
    """Return what there is to say when all is well.

    Raises:
        PrometheusTrouble: It misses a process, or an alert fires.
    """
    if not targets:
        raise PrometheusTrouble(
            "it knows of no process: see `file_sd_configs` or `dns_sd_configs` of its"
            " configuration"
        )
    down = [each for each in targets if each["health"] == "down"]
    if down:
        raise PrometheusTrouble(
            f"{down[0]['labels'].get('job', '?')} at {down[0]['scrapeUrl']} is not"
            f" heard ({down[0]['lastError']}): is that process up, and its port open?"
        )
    firing = sorted(
        {a["labels"]["alertname"] for a in alerts if a["state"] == "firing"}
    )
    if firing:
        raise PrometheusTrouble(
            f"{', '.join(firing)} {'fire' if len(firing) > 1 else 'fires'}: see the"
            " runbook in deploy/README.md"
        )
    return f"{len(targets)} processes heard, nothing fires"


async def _ask(session: aiohttp.ClientSession, address: str, path: str) -> Any:
    url = f"{address.rstrip('/')}/api/v1/{path}"
    async with session.get(url) as response:
        response.raise_for_status()
        return (await response.json())["data"]
