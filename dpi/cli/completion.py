"""dpi completion: the shell's completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from dpi.errors import UsageError


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the shell completion script.

    For bash: dpi completion bash > /etc/bash_completion.d/dpi
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"no completion for {shell}")
    script = kind(ctx.find_root().command, {}, "dpi", "_DPI_COMPLETE").source()
    click.echo(script)
