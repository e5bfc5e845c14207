"""`smartmeter completion`."""

import click
from click.shell_completion import get_completion_class

__all__ = ["command"]

PROGRAM = "smartmeter"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    r"""Print what lets a shell complete the commands, options and choices.

    \b
    Example:
      eval "$(smartmeter completion bash)"       # in ~/.bashrc
      eval "$(smartmeter completion zsh)"        # in ~/.zshrc
      smartmeter completion fish | source        # in ~/.config/fish/config.fish
    """
    root = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows the three
    variable = f"_{PROGRAM.upper()}_COMPLETE"
    # The script's text does not depend on the version of the shell, and bash need not
    # be installed where it is printed.
    made = kind(root, {}, PROGRAM, variable)
    click.echo(made.source_template % made.source_vars())
