"""Write the lists of jars anew: `python -m deploy.local.lock`, after a version changed.

Works out, with jgo, everything that Kafka and Cassandra need at run time, and notes the
coordinates and SHA-256 of each in `pinned/<server>.txt`. Review the difference in git.
"""

import sys
from typing import Any

from deploy.local import jars

ROOTS = {
    "kafka": "org.apache.kafka:kafka_2.13:4.3.1",
    "cassandra": "org.apache.cassandra:cassandra-all:5.0.4",
}


def resolve(root: str, context: Any) -> list[jars.Jar]:
    """Return a jar and all that it needs, sorted, with their digests."""
    inputs, needed = context.resolver.resolve([context.create_dependency(root)])
    found = {}
    for dependency in [*inputs, *needed]:
        artifact = dependency.artifact
        parts = [artifact.groupId, artifact.artifactId, artifact.version]
        if artifact.classifier:
            parts.append(artifact.classifier)
        found[":".join(parts)] = jars.digest(artifact.resolve())
    return [jars.Jar(*item) for item in sorted(found.items())]


def main() -> None:
    """Write every list."""
    context = jars.maven_context(jars.cache_folder() / "maven")
    for name, root in ROOTS.items():
        print(f"{name}: resolving {root}", file=sys.stderr)
        lines = [f"{jar.coordinates} {jar.sha256}" for jar in resolve(root, context)]
        header = f"# {root} and what it needs; written by deploy/local/lock.py"
        path = jars.LISTS / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
