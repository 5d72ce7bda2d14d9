"""Nothing is asked of a network, whatever is done: only this machine's own loopback is ever reached.

Each way in runs in a process of its own, in which a name that is looked up, and a connection to anywhere
else, ends the process with a status of its own: no library can swallow that.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from places import RUNS as FIXTURES

ASKED = 77
"""The exit status of a process that asked something of a network."""

# Read by every Python that is started with its folder on PYTHONPATH, so by workers too.
GUARD = f"""
import os, sys

def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"):
        asked = arguments[0][0] if event == "socket.getnameinfo" else arguments[0]
        if asked not in ("127.0.0.1", "localhost", "::1"):
            end(event, arguments)
        if event == "socket.gethostbyaddr":
            end(event, arguments)
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"):
        where = arguments[1]
        if isinstance(where, tuple) and where[0] not in ("127.0.0.1", "::1"):
            end(event, arguments)

def end(event, arguments):
    os.write(2, f"asked the network: {{event}} {{arguments}}\\n".encode())
    os._exit({ASKED})

sys.addaudithook(watch)
"""


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in; what is started from now on is cut off."""
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
    paths = [str(guard), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own


def coherence(*arguments: str) -> int:
    done = python("-m", "coherence.cli", *arguments)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    "asking",
    [
        "import socket; socket.create_connection(('192.0.2.1', 80), 1)",
        "import socket; socket.getaddrinfo('example.org', 80)",
        "import socket; socket.getfqdn('192.0.2.1')",
        "import urllib.request; urllib.request.urlopen('http://example.org/')",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
        "try:\n import socket; socket.gethostbyname('example.org')\nexcept BaseException: pass",
    ],
)
def test_a_process_that_asks_something_of_a_network_is_found_out(asking: str) -> None:
    done = python("-c", asking)
    assert done.returncode == ASKED
    assert "asked the network" in done.stderr


@pytest.mark.slow
def test_an_audit_and_all_it_writes_ask_nothing_of_a_network(alone: Path) -> None:
    table = "s.parquet" if find_spec("pyarrow") else "s.jsonl"
    outputs = ("--json", "r.json", "--html", "r.html", "--scored", table)
    assert coherence("audit", str(FIXTURES / "leak"), *outputs, "--workers", "2") == 1
    assert all((alone / name).stat().st_size for name in ("r.json", "r.html", table))


@pytest.mark.slow
def test_a_check_a_score_and_a_profile_ask_nothing_of_a_network(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = str(FIXTURES / "healthy" / "samples.jsonl")
    assert coherence("check", samples, "--snapshot", "s.json", "--update") == 0
    assert coherence("check", samples, "--snapshot", "s.json", "--junit", "j.xml", "--github") == 0
    assert coherence("score", "Budy Budy Budy Budy") == 0
    (alone / "c.txt").write_text("the old man walked along a river until evening " * 300, encoding="utf-8")
    assert coherence("calibrate", "c.txt", "-o", "p.json") == 0
    monkeypatch.setenv("NLTK_DATA", str(alone))
    (alone / "corpora/webtext").mkdir(parents=True)
    (alone / "c.txt").rename(alone / "corpora/webtext/c.txt")
    assert coherence("calibrate", "nltk:webtext", "-o", "p.json") == 0
    absent = python("-m", "coherence.cli", "calibrate", "nltk:abc", "-o", "p.json")
    assert (absent.returncode, "not installed" in absent.stderr) == (2, True)


TRAINS = """
from coherence import Gate, score
from coherence.run.monitor import Monitor
with Monitor("run", vocab_size=100, gate=Gate(patience=2)) as monitor:
    for step in range(30):
        monitor.loss(step, 4.0 - step / 10, source="books")
        monitor.sample(step, ["The door was open. " * 9, "Once upon a time there was a river."])
assert score("Budy Budy").tokens == 2
"""


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_a_monitor_asks_nothing_of_a_network() -> None:
    done = python("-c", TRAINS)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def address(alone: Path) -> Iterator[str]:
    """Where the fixture runs are served, by a process that is cut off."""
    command = [sys.executable, "-m", "coherence.cli", "serve", str(FIXTURES), "--port", "0"]
    wide = os.environ | {"COLUMNS": "200"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=wide, cwd=alone) as process:  # noqa: S603 - our own
        assert process.stderr is not None
        told = process.stderr.readline()
        found = re.search(r"http://\S+/", told)
        assert found, told + process.stderr.read()
        yield found.group()
        assert process.poll() is None, process.stderr.read()
        process.terminate()


@pytest.mark.slow
def test_a_server_that_is_polled_asks_nothing_of_a_network(address: str) -> None:
    for path in ("/", "/page.js", "/style.css", *["/runs.json", "/run.json?run=leak"] * 3):
        connection = HTTPConnection(urlsplit(address).netloc, timeout=30)
        connection.request("GET", path)
        assert connection.getresponse().status == 200
        connection.close()


ADAPTERS = {"torch": "torch_loop", "transformers": "huggingface", "lightning": "lightning", "keras": "keras"}


@pytest.mark.usefixtures("alone")
def test_no_trainer_adapter_asks_anything_of_a_network_when_it_is_imported() -> None:
    found = [module for library, module in ADAPTERS.items() if find_spec(library) is not None]
    if not found:
        pytest.skip("no trainer is installed")
    done = python("-c", "; ".join(f"import coherence.trainers.{module}" for module in found))
    assert done.returncode == 0, done.stderr
