"""The system at a Python prompt.

    python3 -i start_services.py [local|docker|remote] [single|cluster]
                                 [secrets|plain] [-POSTFIX]

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
    from deploy.services_prompt import opened
except ModuleNotFoundError as error:
    if not PYTHON.exists() or Path(sys.prefix) == PYTHON.parents[1]:
        sys.exit(f"start_services: no {error.name} here: run `make install` first")
    words = [str(PYTHON), "-i", __file__, *sys.argv[1:]]
    os.execv(PYTHON, words)  # noqa: S606 the same prompt, by the Python that can

if __name__ == "__main__":
    try:
        globals().update(opened(sys.argv[1:], ROOT / ".run"))
    except SystemExit as error:
        sys.stderr.write(f"{error}\n")
        os._exit(2)  # with -i, Python would show a traceback and stay
