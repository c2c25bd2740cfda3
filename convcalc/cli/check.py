"""`convcalc check`: the gate for pull requests."""

import os
from typing import Any

import click

from convcalc.check.files import chosen
from convcalc.check.rules import RULES
from convcalc.check.runner import Checked, check
from convcalc.check.settings import (
    SEVERITIES,
    Settings,
    WrongConfiguration,
    codes_of,
    configured,
    nearest_configuration,
)
from convcalc.cli import common
from convcalc.problems import Flaw, InvalidSpec
from convcalc.spec.inputs import Overrides

EXAMPLES = """\b
Examples:
  convcalc check example:resnet50
  convcalc check example:mobilenet_v1 --max-params 5M --max-peak-memory 8MiB
  convcalc check example:lenet5 --select CV3 --fail-on error"""
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
        codes = [() if text is None else codes_of("--select", text.split(","), RULES) for text in (select, ignore)]
        line = Settings(limits=limits).with_choice(*codes)
        checked, failed = [], 0
        for file in files.files:
            settings = Settings() if isolated else configuration(config, file)
            try:
                found = check(common.read_document(file), Overrides(), settings, RULES, not no_ignores, line)
            except InvalidSpec as error:
                found = Checked(file, error.problems, error.text)
            checked.append(found)
            failed |= fails(found, fail_on or settings.fail_on, exit_zero)
    except (Flaw, WrongConfiguration) as error:
        raise common.Failure(str(error)) from None
    text = rendered(checked, format, statistics, where)
    common.write_text(text, where, files.files)
    return int(failed)


def configuration(config: str | None, file: str) -> Settings:
    """The settings of a configuration file for a checked file. Raises WrongConfiguration."""
    if config is not None and not os.path.isfile(config):
        raise WrongConfiguration(f"{config}: no such file")
    path = config or nearest_configuration("." if file == "-" or file.startswith("example:") else file)
    return Settings() if path is None else configured(path, file, RULES)


def fails(checked: Checked, fail_on: str, exit_zero: bool) -> bool:
    """Whether what was found fails the check: errors of a spec always do."""
    grave = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    return any(problem.code < "CV100" or (not exit_zero and problem.severity in grave) for problem in checked.problems)


def rendered(checked: list[Checked], format: str | None, statistics: bool, where: common.Output) -> str:
    """What was found, in a format; under GitHub Actions annotations by themselves, and a summary for the job."""
    from convcalc.render import findings, findings_ci

    actions = os.environ.get("GITHUB_ACTIONS") == "true"
    format = format or ("github" if actions else "text")
    if statistics or format in ("text", "github"):
        lines = findings.statistics_lines(checked, RULES) if statistics else findings.text_lines(checked)
        text = common.as_text(lines, where)
        # what files say cannot be a command of the runner that reads the log
        text = findings.without_commands(text) if actions or format == "github" else text
        return text if statistics or format == "text" else annotated(checked) + text
    if format == "sarif":
        return findings_ci.sarif(checked, RULES)
    if format == "junit":
        return findings_ci.junit(checked)
    return findings.findings_json(checked) if format == "json" else findings_ci.gitlab(checked)


def annotated(checked: list[Checked]) -> str:
    """GitHub's annotations; the job's summary is written where there is one."""
    from convcalc.render import findings

    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with open(summary, "a", encoding="utf-8") as stream:
            stream.write(findings.github_summary(checked))
    return findings.github(checked)
