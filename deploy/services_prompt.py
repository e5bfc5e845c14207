"""What `start_services.py` makes of its arguments: the words of the prompt."""

import atexit
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import SmartMeterError
from deploy import services_secrets
from deploy.local import cluster
from deploy.local.errors import LauncherError
from deploy.services import Backend, Prompt, Unknown
from deploy.services_docker import Docker
from deploy.services_local import Local

__all__ = ["Options", "opened", "parsed"]

USAGE = "[local|docker|remote] [single|cluster] [secrets|plain] [-POSTFIX]"
CAREFUL = {"single": "plain", "cluster": "secrets"}
CONTEXT = "smartmeter"  # of a remote Docker, where DOCKER_CONTEXT names none


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where services run, how many servers, who may use them, and which images."""

    location: str = "local"
    mode: str = "single"
    access: str = ""
    postfix: str = ""

    @property
    def has_secrets(self) -> bool:
        """Whether the servers ask who comes: in a cluster, unless told otherwise."""
        return (self.access or CAREFUL[self.mode]) == "secrets"


def parsed(arguments: Sequence[str]) -> Options:
    """Return what the arguments say, in any order.

    Raises:
        SystemExit: One is unknown; says what there is.

    >>> parsed(["remote", "cluster", "-DEV"])
    Options(location='remote', mode='cluster', access='', postfix='-DEV')
    """
    found: dict[str, str] = {}
    for word in arguments:
        if word in {"local", "docker", "remote"}:
            name = "location"
        elif word in {"single", "cluster"}:
            name = "mode"
        elif word in {"secrets", "plain"}:
            name = "access"
        elif word.startswith("-") and word[1:].isalnum():
            name = "postfix"
        else:
            raise SystemExit(f"{word!r} is not understood: {USAGE}")
        if name in found:
            raise SystemExit(f"{found[name]} and {word}: only one can be: {USAGE}")
        found[name] = word
    return Options(**found)


def opened(arguments: Sequence[str], folder: Path) -> dict[str, Callable[..., Any]]:
    """Say what will be done, and return the words of the prompt by name."""
    options = parsed(arguments)
    print(f"{options.location}, {options.mode}; run_inject() starts everything.")
    if options.location == "local" and options.access == "secrets":
        print("(the prompt starts local servers without secrets)")
    if options.postfix:
        print(f"Images will be postfixed by {options.postfix}")
        if options.location == "local":
            print("(local runs no images: say `docker` or `remote`)")
    try:
        backend = _backend(options, folder)
    except (LauncherError, SmartMeterError) as error:
        raise SystemExit(f"start_services: {error}") from None
    return {name: _plainly(word) for name, word in Prompt(backend).names.items()}


def _backend(options: Options, folder: Path) -> Backend:
    is_cluster = options.mode == "cluster"
    if options.location == "local":
        # Single servers and a cluster have data of their own.
        own = folder.with_name(folder.name + "-cluster") if is_cluster else folder
        local = Local(own, nodes=cluster.Nodes() if is_cluster else None)
        atexit.register(local.close)
        return local
    if options.has_secrets:
        services_secrets.prepare()
    remote = os.environ.get("DOCKER_CONTEXT", CONTEXT)
    return Docker(
        cluster=is_cluster,
        secrets=options.has_secrets,
        postfix=options.postfix,
        context=remote if options.location == "remote" else "",
    )


def _plainly(word: Callable[..., Any]) -> Callable[..., Any]:
    """Have a word say in one line what is wrong, where it would show a traceback."""

    @functools.wraps(word)
    def spoken(*arguments: Any, **named: Any) -> Any:
        try:
            return word(*arguments, **named)
        except (LauncherError, SmartMeterError, Unknown, ValueError) as error:
            print(error)
            return None

    return spoken
