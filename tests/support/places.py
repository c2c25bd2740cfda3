"""The folders that tests read."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
EXAMPLES = ROOT / "examples"
TESTS = ROOT / "tests"
BAD = TESTS / "bad"
DATA = TESTS / "data"
ORACLE = TESTS / "oracle"
