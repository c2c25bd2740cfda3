"""Shared settings: tests that need PyTorch, Keras or a browser are skipped without it, and hypothesis draws the
same cases every time, so that a run says the same twice.

`HYPOTHESIS_PROFILE=explore python -m pytest` draws new ones.
"""

import gc
import os
import signal
import sys
from importlib.util import find_spec
from shutil import which

import pytest
from hypothesis import settings

settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))
# bytecode is written: the tests start hundreds of processes, and each would compile the package again
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
os.environ.pop("COLUMNS", None)  # the width of the terminal that runs the tests, which pytest-xdist passes on
# commands in the background of a shell ignore Ctrl-C, and so would the processes that tests start and interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)
gc.disable()  # while tests are collected, nothing becomes garbage: their objects are needed to the end


def pytest_collection_finish() -> None:
    """Collect garbage again.

    `gc.freeze()` would hide the collected tests from it, but also from Hypothesis, which searches for the references to
    a random generator.
    """
    gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose mark names something that is not installed, so that no test can forget to."""
    if item.get_closest_marker("torch") and find_spec("torch") is None:
        pytest.skip("compares with PyTorch: pip install torch")
    marker = item.get_closest_marker("distributed")
    packages = (marker.args or ("distributed", "optuna")) if marker else ()
    if not all(map(find_spec, packages)):
        pytest.skip(f"uses other processes or Optuna: pip install {' '.join(packages)}")
    if item.get_closest_marker("tflm") and find_spec("tflite_micro") is None:
        pytest.skip("compares with TensorFlow Lite Micro: pip install --pre 'convcalc[tflm]'")
    if item.get_closest_marker("keras") and not (find_spec("keras") and find_spec("torch")):
        pytest.skip("compares with Keras on PyTorch: pip install keras torch")
    if item.get_closest_marker("browser"):
        missing = [name for name in ("chromium", "chromedriver") if which(name) is None]
        if find_spec("selenium") is None or missing:
            pytest.skip("opens pages in Chromium: pip install selenium, apt-get install chromium chromium-driver")
