"""Write the lists of jars anew: `python -m deploy.local.lock`, after a version changed.

Works out, with jgo, everything that Kafka and Cassandra need at run time, and notes the
coordinates and SHA-256 of each in `pinned/<server>.txt`. Review the difference in git.
"""

import sys
from collections.abc import Sequence
from typing import Any

from deploy.local import jars

ROOTS = {
    "kafka": (
        "org.apache.kafka:kafka_2.13:4.3.1",
        # Kafka names what it logs with, and leaves what writes it to the distribution.
        "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
    ),
    "cassandra": ("org.apache.cassandra:cassandra-all:5.0.4",),
    # The charts of the web view: JavaScript in a jar (deploy/assets.py).
    "charts": ("org.webjars.npm:uplot:1.6.30",),
}


def resolve(roots: Sequence[str], context: Any) -> list[jars.Jar]:
    """Return jars and all that they need, sorted, with their digests.

    Each root is worked out alone, for its parent's wishes are no concern of the others;
    where two need the same jar, the first one's version stays.
    """
    found: dict[tuple[str, str, str], str] = {}
    digests = {}
    for root in roots:
        inputs, needed = context.resolver.resolve([context.create_dependency(root)])
        for dependency in [*inputs, *needed]:
            jar = dependency.artifact
            parts = [jar.groupId, jar.artifactId, jar.version, jar.classifier]
            coordinates = ":".join(part for part in parts if part)
            key = (jar.groupId, jar.artifactId, jar.classifier)
            if found.setdefault(key, coordinates) == coordinates:
                digests[coordinates] = jars.digest(jar.resolve())
    return [jars.Jar(*item) for item in sorted(digests.items())]


def main() -> None:
    """Write every list."""
    context = jars.maven_context(jars.cache_folder() / "maven")
    for name, roots in ROOTS.items():
        shown = ", ".join(roots)
        print(f"{name}: resolving {shown}", file=sys.stderr)
        lines = [f"{jar.coordinates} {jar.sha256}" for jar in resolve(roots, context)]
        header = f"# {shown}, and what they need; written by deploy/local/lock.py"
        path = jars.LISTS / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
