"""conformance completion: what a shell reads to complete commands, options and their words."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print what lets SHELL complete words.

    \b
    bash  eval "$(conformance completion bash)" in ~/.bashrc
    zsh   eval "$(conformance completion zsh)" in ~/.zshrc
    fish  conformance completion fish > ~/.config/fish/completions/conformance.fish
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made
    click.echo(made(context.find_root().command, {}, "conformance", "_CONFORMANCE_COMPLETE").source())
