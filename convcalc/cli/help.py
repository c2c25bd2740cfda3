"""`convcalc help`: shows the pages of the manual, on a terminal through its pager."""

import os
import sys
from functools import partial

import click

from convcalc.cli import common, completing, writing
from convcalc.manual import PAGE_OF_COMMAND, TOPICS, read_page
from convcalc.problems import did_you_mean, join_words, normalise_word, show

_EXAMPLES = """\b
Examples:
  convcalc help
  convcalc help tutorial"""
# words that mean a topic: this topic is suggested, and not one with a similar spelling
_OTHER_WORDS = {
    "report": "browser page",
    "python": "api dataframe excel html ipython jupyter notebook notebooks pandas polars records torecords",
}
_LESS = "-FRX"  # the value that git uses: keep colours, and exit if the text fits on the screen


@click.command("help", epilog=_EXAMPLES)
@click.argument("topic", required=False, shell_complete=completing.complete_from(lambda: TOPICS))
@partial(common.output_options, only="markdown")
@common.quiet_option("List only the names of the topics.")
def command(topic: str | None, where: writing.Output) -> int:
    """Show the manual.

    Lists the topics, or shows the page of one TOPIC: on a terminal with a pager, otherwise as Markdown. If TOPIC is a
    command without a page of its own, the --help of the command is shown.
    """
    if topic is None:
        from convcalc.render.help import topic_lines

        lines = topic_lines(TOPICS, writing.table_width(where), only_names=where.quiet)
        writing.write_text(writing.render_text(lines, where), where, [])
    elif topic in TOPICS:
        _show_page(read_page(topic), where)
    else:
        writing.write_text(_help_of_command(topic), where, [])
    return 0


def _show_page(markdown: str, where: writing.Output) -> None:
    """Render a page for a terminal or for --color always; otherwise write its Markdown unchanged."""
    on_terminal = where.file is None and sys.stdout.isatty()
    if not on_terminal and where.color != "always":
        writing.write_text(markdown, where, [])
        return
    from convcalc.render.help import render_page

    color = writing.use_color(where.color, sys.stdout)
    text = render_page(markdown, writing.table_width(where), color)
    if on_terminal:
        os.environ.setdefault("LESS", _LESS)
        click.echo_via_pager(text, color=color)
    else:
        writing.write_text(text, where, [])


def _help_of_command(name: str) -> str:
    """Return the --help of a command, and the name of its manual page. Raises Failure for an unknown command."""
    parent = click.get_current_context().parent
    assert parent is not None
    assert isinstance(parent.command, click.Group)
    names = parent.command.list_commands(parent)
    if name not in names:
        raise writing.Failure(f"no topic {show(name)}: {_suggest_topic(name, names)}")
    found = parent.command.get_command(parent, name)
    assert found is not None
    with click.Context(found, parent, name) as context:
        text = found.get_help(context)
    topic = PAGE_OF_COMMAND.get(name)
    return text + ("\n" if topic is None else f"\n\nManual: convcalc help {topic}\n")


def _suggest_topic(name: str, commands: list[str]) -> str:
    """Return a hint for an unknown topic, such as `convcalc layers conv shows this layer kind`."""
    from convcalc.check.rules import RULES
    from convcalc.layers import KINDS

    if name in KINDS:
        return f"convcalc layers {name} shows this layer kind"
    if name in RULES:
        return f"convcalc rules {name} explains this rule"
    meant = [topic for topic, words in _OTHER_WORDS.items() if normalise_word(name) in words.split()]
    if meant:
        return f"did you mean {join_words(meant)}?"
    return did_you_mean(name, [*TOPICS, *commands]) or "convcalc help lists the topics"
