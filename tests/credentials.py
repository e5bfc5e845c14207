"""Forms that only real credentials have, and where they are looked for.

    python -m tests.credentials .run .run-secure

searches all that runs in these folders have logged: one line a finding, exit code 1 if
there is one.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["FORMS", "found_in", "logged"]

# Each is a form that only a real credential has; a name or a placeholder has none.
FORMS = {
    "private key": rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s+[\w+/=\s]{64}",
    "nkey seed": rb"\bS[UAOCNX][A-Z2-7]{56}\b",
    "NATS credentials": rb"-----BEGIN NATS USER JWT-----\s+ey",
    "JSON web token": rb"\beyJ[\w-]{16,}\.eyJ[\w-]{16,}\.[\w-]{16,}",
    "key of a cloud": rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}\b",
    "token of a forge": rb"\b(?:gh[pousr]_\w{36}|github_pat_\w{40}|glpat-[\w-]{20})",
    "token of a registry": rb"\bpypi-AgEI\w{30}|\bnpm_\w{36}\b|\bdckr_pat_\w{20}",
    "token of a chat": rb"\bxox[abpr]-[\w-]{20}|hooks\.slack\.com/services/T\w+/B",
    "password in an address": rb"\b[a-z][a-z+]*://[^/\s:@{}$<>'\"]+:[^/\s:@{}$<>'\"]{6,}@",
    "assigned secret": (
        rb"(?im)^\s*(?:export\s+)?[\w.]*(?:password|passwd|secret|token|api_?key)"
        rb"[\w.]*\s*[:=]\s*['\"]?(?=[^\s'\"]*\d)(?=[^\s'\"]*[a-z])(?=[^\s'\"]*[A-Z])"
        rb"[A-Za-z0-9+/_=-]{20,}['\"]?\s*$"
    ),
}


def found_in(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the form of each credential that a file holds, and what has it."""
    content = path.read_bytes()
    for form, pattern in FORMS.items():
        for match in re.finditer(pattern, content):
            yield form, match[0]


def logged(folder: Path) -> list[Path]:
    """Return what the processes of a run have written for people and programs."""
    logs = [*folder.glob("logs/*.log*"), *folder.glob("targets/*.json")]
    return sorted(path for path in [*logs, folder / "state.json"] if path.is_file())


def main(folders: list[str]) -> int:
    """Search the folders' logs; return how it went."""
    paths = [path for folder in folders for path in logged(Path(folder))]
    guilty = [(path, form) for path in paths for form, _ in found_in(path)]
    for path, form in guilty:
        print(f"{path}: {form}")
    told = f"{len(guilty)} credentials" if guilty else "no credential"
    print(f"{told} in {len(paths)} files of {', '.join(folders) or 'no folder'}")
    return 1 if guilty else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
