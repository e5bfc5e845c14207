"""The system at a Python prompt.

    python3 -i start_services.py [local|docker|remote] [single|cluster] [-POSTFIX]

local    processes of this machine, by the launcher (default)
docker   containers of this machine's Docker
remote   containers of another Docker, by the context that DOCKER_CONTEXT names

Then: run_inject(), create_service("simulator", 2), update_replicas("worker", 3),
services(), logs("bridge"), run_app_batch(), stop_all().
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PYTHON = ROOT / ".venv" / "bin" / "python"

try:
    import click  # noqa: F401 whether the project's packages are here
except ModuleNotFoundError:
    if not PYTHON.exists():
        sys.exit("start_services: run `make install` first")
    os.execv(  # noqa: S606 the same prompt again, by the Python that can
        PYTHON, [str(PYTHON), "-i", str(ROOT / "start_services.py"), *sys.argv[1:]]
    )

sys.path.insert(0, str(ROOT))

from deploy.services_prompt import opened  # noqa: E402 the path is set first

if __name__ == "__main__":
    globals().update(opened(sys.argv[1:], ROOT / ".run"))
