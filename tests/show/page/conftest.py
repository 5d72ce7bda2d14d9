"""A real browser, and pages to show it: what `coherence audit` writes and `coherence serve` hands out."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from places import RUNS as FIXTURES

from coherence.cli.main import main


class Browser:
    """What a person does with a page, and what the page says on the console and asks of the network."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get_log("performance")
        self.driver.get_log("browser")
        self.driver.get(url)

    def show(self, path: Path) -> None:
        """Open a report page, and wait for its figure and its samples."""
        self.open(path.as_uri())
        self.wait("return !!document.querySelector('#chart svg') && !!document.querySelector('#rows tbody')")

    def resize(self, width: int, height: int = 1000, dark: bool = False) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])

    def command(self, name: str, **arguments: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, arguments)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str, *arguments: Any, seconds: float = 30) -> Any:
        """Wait until a script returns something."""
        end = time.monotonic() + seconds
        while not (found := self.run(script, *arguments)):
            assert time.monotonic() < end, f"{script}: still {found!r}; {self.text('main')[:500]}"
            time.sleep(0.05)
        return found

    def all(self, css: str) -> list[Any]:
        return list(self.driver.find_elements("css selector", css))

    def one(self, css: str) -> Any:
        return self.driver.find_element("css selector", css)

    def text(self, css: str) -> str:
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", css))

    def texts(self, css: str) -> list[str]:
        return list(
            self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", css)
        )

    def click(self, css: str) -> None:
        self.run("arguments[0].scrollIntoView({block: 'center'})", self.one(css))
        self.one(css).click()

    def button(self, words: str) -> None:
        (found,) = [each for each in self.all("button") if each.text == words]
        self.run("arguments[0].scrollIntoView({block: 'center'})", found)
        found.click()

    def errors(self) -> list[str]:
        """What stands on the console."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """What was asked of the network; a file and what lies in the page itself are none of it."""
        entries = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [
            each["params"]["request"]["url"]
            for each in entries
            if each["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in sent if not url.startswith(("file:", "data:", "blob:"))]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if find_spec("selenium") is None:
        pytest.skip("selenium is not installed: no browser can be driven")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("neither Chromium nor its driver are here (Debian: chromium, chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield Browser(started)
    started.quit()


@pytest.fixture(autouse=True)
def _as_wide_as_a_laptop(request: pytest.FixtureRequest) -> None:
    if "browser" in request.fixturenames:
        request.getfixturevalue("browser").resize(1280)


@pytest.fixture(scope="session")
def page_of() -> Callable[[Path, Path], Path]:
    """Write the report page of a run."""

    def write(folder: Path, to: Path) -> Path:
        assert main(["audit", str(folder), "--html", str(to)]) in (0, 1)
        return to

    return write


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory, page_of: Callable[[Path, Path], Path]) -> Path:
    """The page of the run that got stuck on one document: it halts, and some samples before are fine."""
    return page_of(FIXTURES / "one-line", tmp_path_factory.mktemp("page") / "report.html")


@contextmanager
def running_server(folder: Path, *options: str) -> Iterator[str]:
    """Run `coherence serve` in a process of its own; yield the address it tells."""
    command = [sys.executable, "-m", "coherence.cli", "serve", str(folder), *options]
    wide = os.environ | {"COLUMNS": "200"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=wide)  # noqa: S603 - our own
    assert process.stderr is not None
    try:
        told = process.stderr.readline()
        found = re.search(r"http://\S+/", told)
        assert found, told + process.stderr.read()
        yield found.group()
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()


@pytest.fixture
def serving() -> Callable[..., AbstractContextManager[str]]:
    """Serve a folder for as long as the context lasts."""
    return running_server


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serve a folder until the end of the test."""
    with ExitStack() as stack:
        yield lambda folder, *options: stack.enter_context(running_server(folder, "--port", "0", *options))


@pytest.fixture(scope="session")
def served() -> Iterator[str]:
    """The address at which the fixture runs are served."""
    with running_server(FIXTURES, "--port", "0") as address:
        yield address
