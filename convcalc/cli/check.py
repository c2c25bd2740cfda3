"""`convcalc check`: validates specs, enforces budgets and lints network designs."""

from __future__ import annotations  # the types are imported only for type checkers

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from convcalc.check.options import RULE_OPTIONS, SEVERITIES
from convcalc.cli import common, completing, writing
from convcalc.cli.limits import limit_options
from convcalc.cli.main import NOT_DONE
from convcalc.problems import Flaw, printable

if TYPE_CHECKING:
    from convcalc.check.many import Task
    from convcalc.check.runner import Checked

_EXAMPLES = """\b
Examples:
  convcalc check example:resnet50
  convcalc check example:mobilenet_v1 --max-params 5M --max-peak-memory 8MiB
  convcalc check example:lenet5 --select CV3 --fail-on error"""
_DIFF_STYLES = {"-": "error", "+": "hint", "@": "dim"}
_FORMATS = ("text", "json", "github", "sarif", "junit", "gitlab")


def _add_rule_options(function: common.Function) -> common.Function:
    """Add an option for each option that a lint rule declares, such as `--channel-multiple N`.

    The command receives `options`, a dict from option names to the values that the user sets.
    """
    names = [option.name for option in RULE_OPTIONS]

    @wraps(function)
    def run(**given: Any) -> Any:
        values = {name: given.pop(name.replace("-", "_")) for name in names}
        return function(options={name: value for name, value in values.items() if value is not None}, **given)

    return common.add_options(
        run,
        *(
            click.option(
                f"--{option.name}",
                type=click.IntRange(option.minimum),
                metavar="N",
                help=f"{option.help} (default: {option.default}).",
            )
            for option in RULE_OPTIONS
        ),
    )


@click.command("check", epilog=_EXAMPLES)
@click.argument("nets", metavar="[NET]...", nargs=-1, shell_complete=completing.complete_net)
@click.option(
    "--select",
    metavar="CODES",
    help="Also enable these lint rules: comma-separated codes or prefixes of codes, such as CV301 or CV3.",
)
@click.option("--ignore", metavar="CODES", help="Disable these lint rules: comma-separated codes or prefixes.")
@click.option(
    "--fail-on", type=click.Choice(SEVERITIES), help="Fail on findings of this severity or worse (default: warning)."
)
@click.option("--exit-zero", is_flag=True, help="Do not fail on findings or exceeded budgets, only on invalid specs.")
@click.option("--no-ignores", is_flag=True, help="Report findings even if comments in the spec silence them.")
@click.option("--statistics", is_flag=True, help="Print only how often each code occurs.")
@click.option(
    "--config",
    metavar="FILE",
    help="Configuration file (default: the nearest one in or above a spec's folder).",
)
@click.option("--isolated", is_flag=True, help="Ignore all configuration files.")
@limit_options
@_add_rule_options
@click.option(
    "--fix",
    is_flag=True,
    help="Fix problems that have an exact fix, and report the fixes and the remaining problems; comments and layout "
    "are preserved.",
)
@click.option(
    "--diff",
    is_flag=True,
    help="Print the changes that --fix would make, and other problems on standard error.",
)
@click.option(
    "-j", "--jobs", type=click.IntRange(1), metavar="N", help="Number of worker processes (default: automatic)."
)
@click.option(
    "-f",
    "--format",
    "format",
    type=click.Choice(_FORMATS),
    help="Output format (default: by the suffix of -o FILE, else text; github in GitHub Actions).",
)
@common.output_options
@common.quiet_option("Print only problems, and with --diff changes: no summary, budgets, progress or number of fixes.")
def command(
    nets: tuple[str, ...],
    select: str | None,
    ignore: str | None,
    fail_on: str | None,
    exit_zero: bool,
    no_ignores: bool,
    statistics: bool,
    config: str | None,
    isolated: bool,
    fix: bool,
    diff: bool,
    jobs: int | None,
    limits: tuple[Any, ...],
    options: dict[str, int],
    format: str | None,
    where: writing.Output,
) -> int:
    """Validate specs, enforce budgets and lint network designs.

    Each NET is a file, a folder, a pattern or an example; the default is the current folder. A file given by name is
    always checked. In folders and patterns, specs are checked: files named
    *.convcalc.yaml, and other YAML files with a top-level `layers` key. Model files, such as ONNX, are checked if they
    are given by name or match a pattern with their ending, such as '*.onnx'.

    The exit status is 1 if a spec is invalid, exceeds a budget, or has a finding of the --fail-on severity or worse. It
    is 2 if a file cannot be checked.
    """
    from convcalc.check.configuration import WrongConfiguration
    from convcalc.check.discovery import choose_files
    from convcalc.check.many import How, NoProcesses, check_all
    from convcalc.check.rules import RULES
    from convcalc.check.settings import Settings
    from convcalc.cli.importing import print_about
    from convcalc.spec.net_argument import split_net

    files = choose_files(nets or (".",))
    if fix or diff:
        _refuse_params(files.files)
    if not files.files:
        skipped = (
            f" ({files.skipped_files} YAML file{'s' * (files.skipped_files > 1)} skipped: no layers)"
            if files.skipped_files
            else ""
        )
        raise writing.Failure(f"no specs to check{skipped}")
    try:
        codes = _read_codes("--select", select), _read_codes("--ignore", ignore)
        line = Settings((), limits, fail_on, options).with_choice(*codes)
        tasks = _make_tasks(files.files, config, isolated)
        how = How(RULES, not no_ignores, line, fix or diff)
        checked = list(_show_progress(check_all(tasks, how, jobs), len(tasks), where))
    except (WrongConfiguration, NoProcesses) as error:
        raise writing.Failure(str(error)) from None
    for one in checked:
        if one.model is None:
            continue
        if fix or diff:
            raise writing.Failure(f"--fix and --diff edit specs, and {printable(one.file)} is {one.model.format}")
        print_about(one.model, one.file, where)
    if fix and not diff:
        _write_fixes(checked, files.files, where)
    text = _diff_text(checked, where) if diff else _render(checked, files.skipped_files, format, statistics, where)
    inputs = [*(split_net(file)[0] for file in files.files), *([] if config is None else [config])]
    writing.write_text(text, where, inputs)
    if diff:
        _print_remaining(checked, bool(text), where)
    differs = writing.WRONG_NETWORK if diff and text else 0
    return max(
        differs,
        *(
            _exit_status(found, task.settings.then(line).fail_on or "warning", exit_zero)
            for found, task in zip(checked, tasks, strict=True)
        ),
    )


def _refuse_params(files: Iterable[str]) -> None:
    """Raise Failure if an argument sets spec parameters, as `net.yaml@width=0.5` does.

    --fix writes into the file, so a fix must be right for the parameter values in the file.
    """
    from convcalc.spec.net_argument import split_net

    for file in files:
        if split_net(file)[1]:
            raise writing.Failure(f"--fix and --diff take files without @NAME=VALUE; got {printable(file)}")


def _read_codes(option: str, text: str | None) -> tuple[str, ...]:
    """Return the comma-separated codes of an option. Raises Failure if a code is unknown."""
    from convcalc.check.rules import RULES
    from convcalc.check.settings import read_codes

    try:
        return () if text is None else read_codes(option, [code.strip() for code in text.split(",")], RULES)
    except Flaw as flaw:
        raise writing.Failure(f"{option}: {flaw.text}") from None


def _write_fixes(checked: Sequence[Checked], files: Sequence[str], where: writing.Output) -> None:
    """Replace each file that has fixes, and print the number of fixes on standard error."""
    changes = [(file, one.rewritten) for file, one in zip(files, checked, strict=True) if one.rewritten is not None]
    for file, change in changes:
        writing.rewrite_file(file, change.before, change.after)
    if changes and not where.quiet:
        from convcalc.render.check import counted

        if len(changes) > 1:
            for file, change in changes:
                click.echo(f"{printable(file)}: {counted(change.fixes, 'fix', 'fixes')}", err=True)
        fixes = sum(change.fixes for _, change in changes)
        files_text = counted(len(changes), "file") if len(changes) > 1 else printable(changes[0][0])
        click.echo(f"{counted(fixes, 'fix', 'fixes')} in {files_text}", err=True)
    elif not where.quiet:
        click.echo("nothing to fix", err=True)


def _print_remaining(checked: Iterable[Checked], differs: bool, where: writing.Output) -> None:
    """Print on standard error, for --diff, the problems that --fix would not fix.

    `differs` is true if --fix would change a file. The line numbers refer to the fixed text.
    """
    from convcalc.render.check import text_lines

    if not differs and not where.quiet:
        click.echo("nothing to fix", err=True)
    remaining = [one for one in checked if one.problems]
    if remaining:
        title = "problems remaining after these fixes:" if differs else "problems that --fix cannot fix:"
        lines = text_lines(remaining, width=writing.table_width(where), quiet=where.quiet)
        writing.print_lines(lines if where.quiet else [[(title, "dim")], *lines], where)


def _diff_text(checked: Iterable[Checked], where: writing.Output) -> str:
    """Return the changes that --fix would make, in the format of `diff -u`; empty if there are none."""
    from convcalc.check.fixing import diff_lines

    lines = [
        [(line, _DIFF_STYLES.get(line[:1], ""))]
        for one in checked
        if one.rewritten is not None
        for line in diff_lines(one.file, one.rewritten)
    ]
    return writing.render_text(lines, where, cut=False) if lines else ""


def _make_tasks(files: Iterable[str], config: str | None, isolated: bool) -> list[Task]:
    """Return one task per file, with its settings from configuration files.

    With `isolated`, configuration files are not read. Raises WrongConfiguration if one of them is wrong or unreadable.
    """
    from convcalc.check.configuration import Configurations
    from convcalc.check.many import Task
    from convcalc.check.rules import RULES
    from convcalc.check.settings import Settings
    from convcalc.spec.net_argument import split_net

    if isolated:
        return [Task(file, Settings()) for file in files]
    configurations = Configurations(RULES, config)
    return [Task(file, configurations.of(split_net(file)[0])) for file in files]


def _show_progress(checked: Iterator[Checked], total: int, where: writing.Output) -> Iterator[Checked]:
    """Yield the items unchanged, and show a progress bar on standard error if that is a terminal."""
    if not writing.may_show_bar(where):
        return checked
    from convcalc.render.progress import show_progress

    return show_progress(checked, total, sys.stderr)


def _exit_status(checked: Checked, fail_on: str, exit_zero: bool) -> int:
    """Return the exit status for one file: 2 if it could not be checked, 1 if it fails the check, else 0.

    A file fails if it has a problem of severity `fail_on` or worse. With `exit_zero`, only an invalid spec fails.
    """
    from convcalc.check.many import NOT_CHECKED

    if any(problem.code == NOT_CHECKED for problem in checked.problems):
        return NOT_DONE
    grave = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    fails = (problem.code < "CV100" or (not exit_zero and problem.severity in grave) for problem in checked.problems)
    return writing.WRONG_NETWORK if any(fails) else 0


def _render(
    checked: list[Checked], skipped_files: int, format: str | None, statistics: bool, where: writing.Output
) -> str:
    """Return the results as text in a format; the default is `github` in GitHub Actions, else `text`."""
    from convcalc.check.rules import RULES
    from convcalc.render import check

    actions = os.environ.get("GITHUB_ACTIONS") == "true"
    format = format or ("github" if actions else "text")
    if statistics or format in ("text", "github"):
        width = writing.table_width(where)
        text = writing.render_text(
            check.statistics_lines(checked, RULES, width)
            if statistics
            else check.text_lines(checked, skipped_files, width, where.quiet),
            where,
        )
        # text from files must not act as a command to the runner that reads the log
        text = check.disarm_commands(text) if actions or format == "github" else text
        return text if statistics or format == "text" else _write_annotations(checked) + text
    if format == "json":
        return check.findings_json(checked)
    from convcalc.render import check_ci

    if format == "sarif":
        return check_ci.sarif_log(checked, RULES)
    return check_ci.junit_xml(checked) if format == "junit" else check_ci.gitlab_report(checked)


def _write_annotations(checked: list[Checked]) -> str:
    """Return the problems as GitHub annotations.

    If GitHub names a file for the job summary, also append a summary of the problems to it.
    """
    from convcalc.render import check

    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with open(summary, "a", encoding="utf-8") as stream:
                stream.write(check.github_summary(checked))
        except OSError as error:
            from convcalc.spec.files import explain_unreadable

            why = explain_unreadable(summary, error)
            raise writing.Failure(f"GITHUB_STEP_SUMMARY: {printable(summary)}: {why}") from None
    return check.github_annotations(checked)
