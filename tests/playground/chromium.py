"""Starts a headless Chromium for tests, and reads what it logged.

It can reach nothing but this machine. Needs the Debian packages chromium and chromium-driver, and selenium.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # containers run tests as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",  # it is small in containers
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
)


@contextmanager
def start(net_log: Path) -> Iterator[Any]:
    """Start Chromium, yield its driver, and end it. The log of its network is complete afterwards."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for option in (*_OPTIONS, f"--log-net-log={net_log}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(str(shutil.which("chromedriver"))))
    try:
        yield driver
    finally:
        driver.quit()


def read_requests(net_log: Path) -> list[str]:
    """Return the addresses that pages, their workers and their frames asked for; the browser's own are left out."""
    log = json.loads(net_log.read_text(encoding="utf-8"))
    begins = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    started = [event["params"] for event in log["events"] if event["type"] == begins and "params" in event]
    return [one["url"] for one in started if one.get("initiator", "not an origin") != "not an origin"]
