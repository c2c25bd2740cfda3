"""`convcalc completion`: prints the script that completes commands, options and their values in a shell."""

import click

from convcalc.cli import common, writing

_EXAMPLES = """\b
Examples:
  convcalc completion bash
  convcalc completion fish -o convcalc.fish"""
_PLACES = {
    "bash": 'add this line to ~/.bashrc: eval "$(convcalc completion bash)"',
    "zsh": 'add this line to ~/.zshrc, below compinit: eval "$(convcalc completion zsh)"',
    "fish": "save this as ~/.config/fish/completions/convcalc.fish",
}


@click.command("completion", epilog=_EXAMPLES)
@click.argument("shell", type=click.Choice(list(_PLACES)))
@common.output_options
def command(shell: str, where: writing.Output) -> int:
    """Print the completion script of a shell.

    The first line of the script says where to put it. Completed are commands and options, examples and files, layers
    and spec parameters of the NET, columns and data types.
    """
    from click.shell_completion import get_completion_class

    from convcalc.cli.bash_completion import VARIABLE, register
    from convcalc.cli.main import commands

    register()
    found = get_completion_class(shell)
    assert found is not None
    script = found(commands, {}, "convcalc", VARIABLE).source().strip()
    writing.write_text(f"# {_PLACES[shell]}\n{script}\n", where, [])
    return 0
