"""The README and the manual are correct: their commands print what they show, their specs and Python code work."""

import doctest
import io
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import click
import pytest
import yaml

import convcalc
from convcalc.check.configuration import Configurations
from convcalc.check.rules import RULES
from convcalc.cli.main import commands
from convcalc.convert.formats import model_endings
from convcalc.device.device_file import find_device
from convcalc.examples import list_names
from convcalc.manual import PAGE_OF_COMMAND, TOPICS, read_page
from tests import format_table, json_fields, picture
from tests.documented import BLOCK, MANUAL, PAGES, printed, rewritten, workplace
from tests.explain.test_conventions import PRINTED
from tests.support.places import README

ROOT = README.parent
TEXTS = {page.stem: page.read_text(encoding="utf-8") for page in PAGES}
MOST_CHARACTERS_OF_README = 8_000
LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(page: str, language: str) -> list[tuple[str, str]]:
    """The names and contents of the blocks of a page in one language."""
    return [(name, content) for of, name, content in BLOCK.findall(TEXTS[page]) if of == language]


@pytest.mark.parametrize("page", TEXTS)
def test_commands_print_what_a_page_shows(page: str) -> None:
    assert rewritten(TEXTS[page]) == TEXTS[page]


@pytest.mark.torch
@pytest.mark.parametrize("page", [page for page in TEXTS if "```console torch\n" in TEXTS[page]])
def test_commands_that_need_pytorch_print_what_a_page_shows(page: str) -> None:
    assert rewritten(TEXTS[page]) == TEXTS[page]


@pytest.mark.parametrize("page", [page for page in TEXTS if "```python\n" in TEXTS[page]])
def test_python_returns_what_a_page_shows(page: str) -> None:
    examples = "\n".join(content for _, content in blocks(page, "python"))
    test = doctest.DocTestParser().get_doctest(examples, {}, page, page, 0)
    assert test.examples
    with workplace(TEXTS[page]):
        assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


@pytest.mark.parametrize("page", TEXTS)
def test_specs_of_a_page_are_valid_unless_they_are_called_wrong(page: str) -> None:
    specs = [(name, text) for name, text in blocks(page, "yaml") if name]
    with workplace(TEXTS[page]):
        for name, _ in specs:
            if name.startswith(("wrong", "slip")):
                with pytest.raises(convcalc.InvalidSpec):
                    convcalc.load(name)
            elif name.endswith("board.yaml"):
                assert find_device(name).peak
            else:
                convcalc.load(name)


@pytest.mark.parametrize("page", TEXTS)
def test_other_yaml_and_toml_of_a_page_can_be_read(page: str) -> None:
    for name, text in blocks(page, "yaml"):
        assert name or yaml.safe_load(text)
    for _, text in blocks(page, "toml"):
        assert tomllib.loads(text)


def test_the_settings_in_the_manual_exist(tmp_path: Path) -> None:
    for number, (_, text) in enumerate(blocks("check", "toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(text, encoding="utf-8")
        assert Configurations(RULES, str(file)).of("net.yaml").limits


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_of_a_page_lead_to_files_and_headings(page: Path) -> None:
    for link in LINK.findall(BLOCK.sub("", TEXTS[page.stem])):
        if not link.startswith("http"):
            file, _, heading = link.partition("#")
            target = page.parent / file if file else page
            assert target.exists(), link
            assert not heading or heading in headings(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", TEXTS)
def test_a_page_names_only_commands_and_options_that_exist(page: str) -> None:
    codes = [*re.findall(r"`([^`\n]+)`", BLOCK.sub("", TEXTS[page])), *commands_in_blocks(TEXTS[page])]
    written = [found.groups() for code in codes if (found := re.match(r"convcalc ([a-z]\S*)([^$|]*)", code))]
    used = [("summary" if is_network(word) else word, rest) for word, rest in written]
    assert {command for command, _ in used} <= set(OPTIONS)
    options = {(command, name) for command, rest in used for name in re.findall(r"(?<= )--?[a-z][\w-]*", rest)}
    assert {(command, name) for command, name in options if name not in OPTIONS[command]} == set()
    alone = {found[0] for code in codes if (found := re.match(r"--?[a-z][\w-]*", code))}
    assert alone - {name for names in OPTIONS.values() for name in names} == set()


def is_network(word: str) -> bool:
    """Whether the first word after `convcalc` is a network, which summary shows, and not a command."""
    return word.startswith("example:") or ".yaml" in word or word.endswith(model_endings())


def commands_in_blocks(text: str) -> list[str]:
    """The commands in the blocks of a page, without their output."""
    found = []
    for language, _, content in BLOCK.findall(text):
        lines = content.splitlines() if language in ("sh", "console") else []
        found += [line.removeprefix("$ ") for line in lines if language == "sh" or line.startswith("$ ")]
    return found


def options_of_commands() -> dict[str, set[str]]:
    """The options of every command, by its name."""
    context = click.Context(commands)
    found = {}
    for name in commands.list_commands(context):
        command = commands.get_command(context, name)
        assert command is not None
        found[name] = {
            "--help",
            *(option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)),
        }
    return found


OPTIONS = options_of_commands()


def headings(text: str) -> set[str]:
    """The anchors of the headings of a page, as GitHub and Python-Markdown form them."""
    found = re.findall(r"^#+ (.+)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in found}


# -- the README


def test_the_readme_is_short() -> None:
    assert len(TEXTS["README"]) <= MOST_CHARACTERS_OF_README


def test_set_up_is_two_commands() -> None:
    commands = [line for line in TEXTS["README"].splitlines() if re.match(r"python3 -m venv ", line)]
    assert len(commands) == 2
    assert "summary example:resnet50" in commands[0]
    assert "-m pytest" in commands[1]


def test_the_picture_shows_what_the_command_prints() -> None:
    assert f"]({picture.FILE.relative_to(ROOT)})" in TEXTS["README"]
    shown = picture.read_lines(picture.FILE.read_text(encoding="utf-8"))
    with workplace(""):
        lines = printed(picture.COMMAND.split()[1:]).splitlines()
    assert shown == ["".join(line.split()) for line in lines if line]
    assert picture.read_lines(picture.draw()) == shown


def test_the_totals_of_other_tools_are_those_that_the_tests_know() -> None:
    table = re.findall(r"^\| (torchinfo|fvcore|ptflops) [\d.]+ \| ([\d,]+) \|", TEXTS["README"], re.MULTILINE)
    assert tuple(int(total.replace(",", "")) for _, total in table) == PRINTED["resnet50"][:3]


# -- the manual


def test_every_page_is_a_topic() -> None:
    assert {page.stem for page in MANUAL.glob("*.md")} == set(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_page_begins_with_its_title_and_has_an_example(topic: str) -> None:
    assert read_page(topic) == TEXTS[topic]
    assert TEXTS[topic].startswith("# ")
    assert "\n```" in TEXTS[topic]


# torchvision's models; the U-Net of the PyTorch versions without biases before the batch norms, for two classes
PUBLISHED = {"alexnet.yaml": 61_100_840, "resnet18.yaml": 11_689_512, "unet.yaml": 31_037_698}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_networks_of_the_tutorial_have_the_published_params(name: str) -> None:
    text = dict(blocks("tutorial", "yaml"))[name]
    assert convcalc.summary(io.StringIO(text)).totals.params == PUBLISHED[name]


def test_the_receptive_field_of_the_manual_is_that_of_the_formula() -> None:
    """Two convolutions of 3 per level with dilation 2^level: 1 + 2 · 2 · (2^levels - 1) (Bai et al. 2018)."""
    text = dict(blocks("receptive-field", "yaml"))["tcn.yaml"]
    for levels in (1, 8, 10):
        field = convcalc.summary(io.StringIO(text), params={"levels": levels}).totals.receptive_field
        assert field is not None
        assert field.size == (1 + 4 * (2**levels - 1),)


def test_the_receptive_field_of_wavenet_is_that_of_the_formula() -> None:
    """One convolution of 2 per level with dilation 2^level: 1 + stacks · (2^levels - 1) (van den Oord et al. 2016)."""
    text = dict(blocks("receptive-field", "yaml"))["wavenet.yaml"]
    for stacks, levels in ((3, 10), (1, 5), (2, 3)):
        field = convcalc.summary(io.StringIO(text), params={"stacks": stacks, "levels": levels}).totals.receptive_field
        assert field is not None
        assert field.size == (1 + stacks * (2**levels - 1),)


def test_the_site_has_every_page() -> None:
    site = yaml.safe_load((ROOT / ".github" / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = re.findall(r"'([\w-]+)\.md'", str(site["nav"]))
    assert len(listed) == len(set(listed))
    assert set(listed) == {*TOPICS, "index", "kinds", "rules"}


def test_the_number_of_examples_is_right() -> None:
    for page in ("README", "tutorial"):
        assert re.findall(r"\b(\d+)\spublished\snetworks", TEXTS[page]) == [str(len(list_names()))]


def test_topics_of_commands_exist() -> None:
    assert set(PAGE_OF_COMMAND.values()) <= set(TOPICS)
    assert not set(PAGE_OF_COMMAND) & set(TOPICS)


def test_the_fields_of_json_are_those_of_the_schemas() -> None:
    assert json_fields.with_fields(TEXTS["json"]) == TEXTS["json"]


def test_the_formats_of_the_manual_are_those_of_the_list() -> None:
    assert format_table.with_tables(TEXTS["import"]) == TEXTS["import"]


def test_the_wheel_contains_the_manual(tmp_path: Path) -> None:
    hatchling = pytest.importorskip("hatchling.build", reason="hatchling is not installed")
    assert hatchling
    command = [sys.executable, "-c", f"import hatchling.build as b; print(b.build_wheel({str(tmp_path)!r}))"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"convcalc/manual/{topic}.md" for topic in TOPICS} <= set(names)
