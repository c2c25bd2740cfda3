"""`convcalc check`: the gate for pull requests."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from convcalc.check.configuration import Configurations, WrongConfiguration
from convcalc.check.files import chosen
from convcalc.check.fixing import difference
from convcalc.check.many import NOT_CHECKED, How, NoProcesses, Task, check_all
from convcalc.check.rules import RULES
from convcalc.check.runner import Checked
from convcalc.check.settings import SEVERITIES, Settings, codes_of
from convcalc.cli import common
from convcalc.cli.main import NOT_DONE
from convcalc.problems import Flaw, printable
from convcalc.spec.files import why_unreadable

EXAMPLES = """\b
Examples:
  convcalc check example:resnet50
  convcalc check example:mobilenet_v1 --max-params 5M --max-peak-memory 8MiB
  convcalc check example:lenet5 --select CV3 --fail-on error"""
DIFFERENCE_STYLES = {"-": "error", "+": "hint", "@": "dim"}
FORMATS = ("text", "json", "github", "sarif", "junit", "gitlab")


@click.command("check", epilog=EXAMPLES)
@click.argument("nets", metavar="NET...", nargs=-1, required=True, shell_complete=common.complete_net)
@click.option("--select", metavar="CODES", help="Rules to turn on too: codes or their beginnings, commas between.")
@click.option("--ignore", metavar="CODES", help="Rules to turn off.")
@click.option("--fail-on", type=click.Choice(SEVERITIES), help="From which severity the check fails (warning).")
@click.option("--exit-zero", is_flag=True, help="Do not fail on findings; errors of a spec still fail.")
@click.option("--no-ignores", is_flag=True, help="Heed no `# convcalc: ignore[…]` in the files.")
@click.option("--statistics", is_flag=True, help="Only how often each code was found.")
@click.option("--config", metavar="FILE", help="The configuration; by itself the nearest above each file.")
@click.option("--isolated", is_flag=True, help="Use no configuration file.")
@common.limit_options
@click.option(
    "--channel-multiple", type=click.IntRange(1), metavar="N", help="What CV307 wants channels to be a multiple of (8)."
)
@click.option(
    "--fix", is_flag=True, help="Fix what can be fixed exactly and report the rest; comments and layout stay."
)
@click.option("--diff", is_flag=True, help="Show what --fix would write, and on standard error what would remain.")
@click.option("-j", "--jobs", type=click.IntRange(1), metavar="N", help="Parallel processes; by itself as many as pay.")
@click.option("-f", "--format", "format", type=click.Choice(FORMATS), help="text; github under GITHUB_ACTIONS.")
@common.output_options
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
    channel_multiple: int | None,
    fix: bool,
    diff: bool,
    jobs: int | None,
    limits: tuple[Any, ...],
    format: str | None,
    where: common.Output,
) -> int:
    """The gate: specs, budgets, known mistakes of design.

    Are the specs valid, are the budgets kept, does the linter know better. A file that is named is always checked;
    folders and patterns are walked for *.convcalc.yaml and files with layers.
    """
    files = chosen(nets)
    if not files.files:
        passed = f" ({files.passed_over} YAML files are no specs)" if files.passed_over else ""
        raise common.Failure(f"nothing to check{passed}")
    try:
        codes = chosen_codes("--select", select), chosen_codes("--ignore", ignore)
        line = Settings((), limits, fail_on, channel_multiple).with_choice(*codes)
        tasks = tasks_of(files.files, config, isolated)
        how = How(RULES, not no_ignores, line, fix or diff)
        checked = list(with_progress(check_all(tasks, how, jobs), len(tasks), where))
    except (WrongConfiguration, NoProcesses) as error:
        raise common.Failure(str(error)) from None
    if fix and not diff:
        write_fixes(checked, files.files, where)
    text = differences(checked, where) if diff else rendered(checked, files.passed_over, format, statistics, where)
    common.write_text(text, where, files.files)
    if diff:
        tell_remaining(checked, where)
    differs = common.WRONG_NETWORK if diff and text else 0
    return max(
        differs,
        *(
            status(found, task.settings.then(line).fail_on or "warning", exit_zero)
            for found, task in zip(checked, tasks, strict=True)
        ),
    )


def chosen_codes(option: str, text: str | None) -> tuple[str, ...]:
    """The codes that an option names, commas between. Raises Failure."""
    try:
        return () if text is None else codes_of(option, [code.strip() for code in text.split(",")], RULES)
    except Flaw as flaw:
        raise common.Failure(f"{option}: {flaw.message}: {flaw.hint}") from None


def write_fixes(checked: Sequence[Checked], files: Sequence[str], where: common.Output) -> None:
    """Write the files in which something was fixed, and say so."""
    changes = [(file, one.rewritten) for file, one in zip(files, checked, strict=True) if one.rewritten is not None]
    for file, change in changes:
        common.rewrite(file, change.before, change.after)
    if changes and not where.quiet:
        from convcalc.render.findings import counted

        fixes = sum(change.fixes for _, change in changes)
        click.echo(f"{counted(fixes, 'fix', 'fixes')} in {counted(len(changes), 'file')}", err=True)


def tell_remaining(checked: Iterable[Checked], where: common.Output) -> None:
    """Say on standard error what fixes would leave, in the lines of the files after them."""
    from convcalc.render.findings import text_lines

    remaining = [one for one in checked if one.problems]
    if remaining:
        common.tell([[("would remain after these fixes:", "dim")], *text_lines(remaining)], where)


def differences(checked: Iterable[Checked], where: common.Output) -> str:
    """What --fix would write, as `diff -u` shows it."""
    lines = [
        [(line, DIFFERENCE_STYLES.get(line[:1], ""))]
        for one in checked
        if one.rewritten is not None
        for line in difference(one.file, one.rewritten)
    ]
    return common.as_text(lines, where, cut=False) if lines else ""


def tasks_of(files: Iterable[str], config: str | None, isolated: bool) -> list[Task]:
    """The files with the settings that configurations have for them. Raises WrongConfiguration."""
    if isolated:
        return [Task(file, Settings()) for file in files]
    configurations = Configurations(RULES, config)
    return [Task(file, configurations.of(file)) for file in files]


def with_progress(checked: Iterator[Checked], total: int, where: common.Output) -> Iterator[Checked]:
    """What is found, with a bar on a terminal's standard error meanwhile."""
    if not common.may_show_bar(where):
        return checked
    from convcalc.render.progress import followed

    return followed(checked, total, sys.stderr)


def status(checked: Checked, fail_on: str, exit_zero: bool) -> int:
    """The exit status for a file: errors of a spec always fail, 2 is for one that could not be checked."""
    if any(problem.code == NOT_CHECKED for problem in checked.problems):
        return NOT_DONE
    grave = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    fails = (problem.code < "CV100" or (not exit_zero and problem.severity in grave) for problem in checked.problems)
    return common.WRONG_NETWORK if any(fails) else 0


def rendered(
    checked: list[Checked], passed_over: int, format: str | None, statistics: bool, where: common.Output
) -> str:
    """What was found, in a format; under GitHub Actions annotations by themselves, and a summary for the job."""
    from convcalc.render import findings

    actions = os.environ.get("GITHUB_ACTIONS") == "true"
    format = format or ("github" if actions else "text")
    if statistics or format in ("text", "github"):
        lines = findings.statistics_lines(checked, RULES) if statistics else findings.text_lines(checked, passed_over)
        text = common.as_text(lines, where)
        # what files say cannot be a command of the runner that reads the log
        text = findings.without_commands(text) if actions or format == "github" else text
        return text if statistics or format == "text" else annotated(checked) + text
    if format == "json":
        return findings.findings_json(checked)
    from convcalc.render import findings_ci

    if format == "sarif":
        return findings_ci.sarif(checked, RULES)
    return findings_ci.junit(checked) if format == "junit" else findings_ci.gitlab(checked)


def annotated(checked: list[Checked]) -> str:
    """GitHub's annotations; the job's summary is written where there is one."""
    from convcalc.render import findings

    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with open(summary, "a", encoding="utf-8") as stream:
                stream.write(findings.github_summary(checked))
        except OSError as error:
            why = why_unreadable(summary, error)
            raise common.Failure(f"GITHUB_STEP_SUMMARY: {printable(summary)}: {why}") from None
    return findings.github(checked)
