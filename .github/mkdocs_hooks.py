"""Hooks of MkDocs: the first page from the README; the pages of layer kinds and lint rules from their declarations."""

import re
from inspect import cleandoc
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from convcalc.check.rules import RULES
from convcalc.layers import FAMILIES
from convcalc.render.layers import parse_page
from convcalc.render.rules import describe_option

ROOT = Path(__file__).parent.parent
PICTURE = "summary.svg"
STYLES = "td code { white-space: nowrap }\n"
NAMED_BLOCK = re.compile(r"^```(yaml|toml) ([\w.]+)$", re.MULTILINE)
CONDITIONAL_BLOCK = re.compile(r"^```console \w+$", re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages and the picture."""
    pages = {"index.md": first_page(), "kinds.md": kinds_page(), "rules.md": rules_page()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    files.append(File.generated(config, "extra.css", content=STYLES))
    files.append(File.generated(config, PICTURE, abs_src_path=str(ROOT / ".github" / PICTURE)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Give blocks of code their file names in the form that the Markdown extension knows."""
    return CONDITIONAL_BLOCK.sub("```console", NAMED_BLOCK.sub(r'```\1 title="\2"', markdown))


def first_page() -> str:
    """Return the README with links between pages of the site; links to other files become text."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = text.replace("](convcalc/manual/", "](").replace(f"](.github/{PICTURE})", f"]({PICTURE})")
    return re.sub(r"\[([^\]]+)\]\((?:\.github/CONTRIBUTING|CHANGELOG)\.md\)", r"\1", text)


def kinds_page() -> str:
    """Return the page of all layer kinds, by family."""
    parts = ["# Layer kinds", "`convcalc layers` lists them, and `convcalc layers conv` shows one."]
    for family, kinds in FAMILIES.items():
        parts.append(f"## {family.capitalize()}")
        for kind in kinds:
            page = parse_page(kind)
            parts += [f"### {kind.kind}", page.summary]
            if kind.keys:
                rows = [
                    f"| `{name}` | {escape(key.help)}; {escape(key.expected)} | {escape(key.described_default())} |"
                    for name, key in kind.keys.items()
                ]
                parts.append("\n".join(["| argument | meaning | default |", "|---|---|---|", *rows]))
            parts += [f"**{name}:** {escape(text)}" for name, text in page.sections.items()]
            parts.append(f'```yaml title="on input {page.example_input}"\n- {page.example}\n```')
    return "\n\n".join(parts) + "\n"


def rules_page() -> str:
    """Return the page of all lint rules."""
    parts = [
        "# Lint rules",
        "What `convcalc check` finds. `convcalc rules` lists the rules, `convcalc rules CV212` shows one.",
    ]
    for rule in RULES.values():
        state = "on by default" if rule.default else f"off by default: `--select {rule.code}`"
        parts += [f"## {rule.code} {rule.name}", f"{rule.severity}, {state}"]
        parts += [escape(" ".join(cleandoc(rule.__doc__ or "").split()))]
        parts += [f"**Option:** {escape(describe_option(option))}" for option in rule.options]
        parts += [
            f"**Why:** {escape(' '.join(rule.why.split()))}",
            f"**Source:** {escape(' '.join(rule.source.split()))}",
        ]
        parts += [
            f'```yaml title="{title}"\n{cleandoc(spec)}\n```'
            for title, spec in (("wrong", rule.wrong), ("right", rule.right))
        ]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Return a text without the characters that have a meaning in Markdown; code in backquotes stays."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(piece if piece.startswith("`") else re.sub(r"([*_<>\[\]|])", r"\\\1", piece) for piece in pieces)
