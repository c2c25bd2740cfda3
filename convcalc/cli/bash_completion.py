"""Completion for bash, which splits words at `:`, `=` and `@` and replaces only the last part of a word.

With click's own script for bash, `example:res` or `net.yaml@wid` could not be completed.
"""

import os
from typing import Any

from click.shell_completion import CompletionItem, ShellComplete, add_completion_class, split_arg_string

VARIABLE = "_CONVCALC_COMPLETE"
_SCRIPT = """\
%(complete_func)s() {
    local type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        if [[ $type == file ]]; then
            compopt -o default
        elif [[ $type == plain ]]; then
            COMPREPLY+=("$value")
            [[ $value == *[=:@,] ]] && compopt -o nospace
        fi
    done < <(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" BREAKS="$COMP_WORDBREAKS" %(complete_var)s=bash_complete "$1")
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class BashCompletion(ShellComplete):
    """Provides the completion script for bash, and the completions that the script requests."""

    name = "bash"
    source_template = _SCRIPT

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the complete words before the cursor, and the part of a word that ends at the cursor."""
        line = os.environ.get("COMP_LINE", "")
        words = split_arg_string(line)
        word = "" if not words or line[-1:].isspace() else words.pop()
        return words[1:], word

    def get_completions(self, args: list[str], incomplete: str) -> "list[CompletionItem[Any]]":
        """Return the completions, each cut to the part that bash inserts: only `resnet18` for `example:res`."""
        option, equals, _ = incomplete.partition("=")
        before = option + equals if equals and incomplete.startswith("-") else ""
        split = _find_start_of_last_part(incomplete, os.environ.get("BREAKS", ""))
        found = super().get_completions(args, incomplete)
        for item in found:
            if item.type == "plain":
                item.value = (before + item.value)[split:]
        return found

    def format_completion(self, item: "CompletionItem[Any]") -> str:
        """Return the type and the value of a completion as one line for the script."""
        return f"{item.type},{item.value}"


def _find_start_of_last_part(word: str, breaks: str) -> int:
    """Return the index in `word` of the first character that bash will replace: in `example:res`, that of `res`.

    Bash splits a word after each character in `breaks`, but before an `@`, and replaces only the last part.
    """
    last = max((index for index, character in enumerate(word) if character in breaks), default=-1)
    return last if word[last : last + 1] == "@" else last + 1


def register() -> None:
    """Make click use `BashCompletion` for bash."""
    add_completion_class(BashCompletion)
