"""The command line: `smartmeter COMMAND`, one module per command.

A command's module is imported when it runs, so that `--help` is fast and the bridge
never carries Faust. Errors of ours, of the drivers and of the system end in one line
and their exit code; 130 after Ctrl-C.
"""

import importlib
import logging
import sys
from typing import Any

import click

from app.cli.failures import failure

__all__ = ["cli", "main"]

COMMANDS = {
    "bridge": "Run the bridge between NATS and Kafka.",
    "worker": "Run a live worker: windows, fleet maxima, forecast, web view.",
    "archive": "Run an archive worker: everything into Cassandra.",
    "exporter": "Export figures of NATS, Kafka and Cassandra.",
    "simulate": "Publish the readings of simulated meters.",
    "evaluate": "Try the forecast over data in one pass; print its scores.",
    "models": "List, show and compare versions of models; go back to one.",
    "alerts": "List alerts, and acknowledge them.",
    "dead-letters": "List, show and replay messages that could not be used.",
    "doctor": "Go along the road; name the first hop that fails.",
    "lag": "Show what waits, for whom, and since when.",
    "where": "Show whose a transformer is: lane, bridge, worker.",
    "monitor": "Show what passes on NATS subjects, decoded.",
    "replay": "Read the log again from a time on.",
    "ps": "Show the processes of the run on this machine.",
    "scale": "Have more or fewer processes of a stage of that run.",
    "stop": "Stop that run: all that was published arrives first.",
    "logs": "Show the logs of a run on this machine.",
    "topics": "Create and check the Kafka topics.",
    "schema": "Create and check the Cassandra tables.",
    "batch": "Work over all that is stored: averages, verify.",
    "query": "Show the rows that a SELECT finds in Cassandra.",
    "export": "Write stored rows to a CSV, Parquet or Excel file.",
    "shell": "Look at what is stored, in IPython.",
    "certificates": "Make a private CA with server and client certificates.",
    "settings": "Show every setting, its value and where it comes from.",
    "completion": "Print what lets a shell complete commands.",
}
ALIASES = {"check": "doctor"}


class LazyGroup(click.Group):
    """A group whose commands live in `app.cli.<name>` as `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the road."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        cmd_name = ALIASES.get(cmd_name, cmd_name)
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"app.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        _unwrap(command)
        command.short_help = COMMANDS[cmd_name]
        return command

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _unwrap(command: click.Command) -> None:
    r"""Let the help of a command, and of those in it, keep its lines where it says so.

    Raw docstrings spell click's mark for unwrapped text, a backspace, as \b.
    """
    command.help = (command.help or "").replace("\\b\n", "\b\n")
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _unwrap(each)


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="smartmeter-streams", prog_name="smartmeter")
def cli() -> None:
    """Smart-meter voltage, from the meter to windows, forecasts and Cassandra.

    Settings are environment variables SMARTMETER_…: see `smartmeter settings`.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and exit with its code."""
    # What drivers log is said in our own words; processes configure their own logs.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        code = cli.main(arguments, prog_name="smartmeter", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Exception as error:
        told = failure(error)
        if told is None:
            raise
        click.echo(f"smartmeter: {told.line}", err=True)
        sys.exit(told.exit_code)
    sys.exit(code or 0)
