"""`python -m deploy.grafana`: writes the dashboards as Grafana reads them."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana import cassandra, nats, pipeline, predictions, voltage

__all__ = ["FOLDER", "rendered"]

FOLDER = Path(__file__).parent / "dashboards"


def rendered() -> Mapping[str, str]:
    """Return the JSON of each dashboard, by the name of its file."""
    return {
        f"{module.__name__.rpartition('.')[2]}.json": json.dumps(
            module.dashboard(), cls=JSONEncoder, indent=2, ensure_ascii=False
        )
        + "\n"
        for module in (voltage, predictions, pipeline, nats, cassandra)
    }


def main() -> None:
    """Write the files, and remove those that no dashboard has any more."""
    FOLDER.mkdir(exist_ok=True)
    files = rendered()
    for stale in {path.name for path in FOLDER.glob("*.json")} - files.keys():
        (FOLDER / stale).unlink()
    for name, text in files.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(FOLDER / name, file=sys.stderr)


if __name__ == "__main__":
    main()
