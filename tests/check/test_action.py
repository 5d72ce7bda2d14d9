"""The action of this repository, `action.yml`: the bash of its steps, as GitHub's runner calls it.

GitHub's API is played by a server of this machine. What the runner itself does (`uses`, `if`) is not tried.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from loopback import serving
from places import ROOT
from samples_of_checks import LOOP, fine, write

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(
        sys.platform == "win32" or not all(map(shutil.which, ("bash", "curl", "jq"))),
        reason="needs bash, curl and jq, which GitHub's machines have",
    ),
]

ACTION = (ROOT / "action.yml").read_text(encoding="utf-8")
TOKEN = "t0ken"  # noqa: S105 - nobody's


class Step(NamedTuple):
    """What a step runs, and the environment that it asks for."""

    env: dict[str, str]
    run: str


def steps() -> dict[str, Step]:
    """The steps that run bash, by their names."""
    found = {}
    for text in re.split(r"(?m)^    - ", ACTION.partition("\n  steps:\n")[2])[1:]:
        head, colon, body = text.partition("      run: |\n")
        if colon:
            env = dict(re.findall(r"(?m)^        (\w+): (.*)$", head.partition("      env:\n")[2]))
            found[head.partition("\n")[0].removeprefix("name: ")] = Step(env, re.sub("(?m)^ {8}", "", body))
    return found


def defaults() -> dict[str, str]:
    inputs = ACTION.partition("\ninputs:\n")[2].partition("\noutputs:\n")[0]
    named = re.findall(r"(?m)^  ([\w-]+):\n(?:    .*\n)*?(?:    default: (.*)\n|(?=  \S|\Z))", inputs + "\n")
    return {name: value.strip('"') for name, value in named}


class Runner:
    """Runs steps one after the other in a job, as GitHub's runner does."""

    def __init__(self, folder: Path, api: str = "", **inputs: str) -> None:
        self.folder = folder
        self.inputs = defaults() | inputs
        self.known = {"github.action_path": str(ROOT), "github.token": TOKEN}
        self.known["github.event.pull_request.number"] = "7"
        for name in ("temp", "bin"):
            (folder / name).mkdir(exist_ok=True)
        coherence = folder / "bin" / "coherence"  # as installed: the command of this checkout
        coherence.write_text(
            f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m coherence.cli "$@"\n'
        )
        coherence.chmod(0o755)
        self.env = {
            "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": api,
            "GITHUB_REPOSITORY": "owner/model",
            "GITHUB_WORKSPACE": str(folder),
            "RUNNER_TEMP": str(folder / "temp"),
        }
        for name in ("ENV", "OUTPUT", "STEP_SUMMARY"):
            path = folder / "temp" / f"{name}.txt"
            path.touch()
            self.env[f"GITHUB_{name}"] = str(path)

    def __call__(self, name: str, **more: str) -> subprocess.CompletedProcess[str]:
        step = steps()[name]
        asked = {key: self._evaluated(value) for key, value in step.env.items()}
        script = self.folder / "temp" / "step.sh"
        script.write_text(step.run, encoding="utf-8")
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        return subprocess.run(  # noqa: S603 - our own
            command, cwd=self.folder, env=self.env | asked | more, capture_output=True, text=True, check=False
        )

    def _evaluated(self, value: str) -> str:
        def known(found: re.Match[str]) -> str:
            name = found[1]
            if name.startswith("inputs."):
                return self._evaluated(self.inputs[name.removeprefix("inputs.")])
            return self.known[name]

        return re.sub(r"\$\{\{ ([\w.-]+) \}\}", known, value)

    def said(self, name: str) -> str:
        return Path(self.env[f"GITHUB_{name}"]).read_text(encoding="utf-8")


class GitHub(HTTPServer):
    """The comments of one pull request."""

    def __init__(self, refuses: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Comments)
        self.refuses = refuses
        self.comments: list[dict[str, Any]] = []
        self.written: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Comments(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        page = re.fullmatch(r"/repos/owner/model/issues/7/comments\?per_page=100&page=(\d+)", self.path)
        start = 100 * (int(page[1]) - 1) if page else 0
        self._answer(page is not None, self.server.comments[start : start + 100])

    def do_POST(self) -> None:
        comment = {"id": 1000 + len(self.server.comments), "body": self._body()}
        self.server.comments.append(comment)
        self._answer(self.path == "/repos/owner/model/issues/7/comments", comment)

    def do_PATCH(self) -> None:
        (comment,) = (each for each in self.server.comments if self.path.endswith(f"/comments/{each['id']}"))
        comment["body"] = self._body()
        self._answer(self.path.startswith("/repos/owner/model/issues/comments/"), comment)

    def _body(self) -> str:
        self.server.written.append(self.command)
        return str(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"])

    def _answer(self, found: bool, value: object) -> None:
        allowed = self.headers["Authorization"] == f"Bearer {TOKEN}" and not self.server.refuses
        content = json.dumps(value).encode()
        self.send_response(404 if not found else 200 if allowed else 403)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a snapshot, samples as good and samples that loop."""
    monkeypatch.chdir(tmp_path)
    write("good.jsonl", *fine(60))
    write("new samples.jsonl", *fine(60)[:40], *[LOOP] * 20)
    command = ["-m", "coherence.cli", "check", "good.jsonl", "--snapshot", "s.json", "--update"]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)  # noqa: S603 - our own
    return tmp_path


@pytest.mark.slow
def test_a_worse_checkpoint_fails_the_step_and_its_summary_annotations_and_status_are_there(
    job: Path,
) -> None:
    runner = Runner(job, paths="new samples.jsonl\n", snapshot="s.json")
    done = runner("check")
    assert done.returncode == 1
    assert "\n::error file=s.json,line=1,title=coherence%3A " in f"\n{done.stdout}"
    assert runner.said("STEP_SUMMARY").startswith("### coherence check: FAIL · ")
    assert "status=1\n" in runner.said("OUTPUT")
    summary = Path(re.findall("markdown=(.*)", runner.said("OUTPUT"))[0])
    assert summary.read_text(encoding="utf-8") == runner.said("STEP_SUMMARY")


@pytest.mark.slow
def test_options_and_several_paths_reach_the_command_and_are_no_patterns(job: Path) -> None:
    write("[a]*.jsonl", *fine(30)[:20])
    both = Runner(
        job, paths="good.jsonl\r\n[a]*.jsonl\n", snapshot="s.json", args="--tolerance 40  --observe"
    )
    assert "80 samples against 60" in both("check").stderr
    assert "tolerance 40 points" in both("check").stderr
    assert (
        "tolerance 30 points"
        in Runner(job, paths="good.jsonl", snapshot="s.json", tolerance="30")("check").stderr
    )
    assert (
        Runner(job, paths="good.jsonl", snapshot="$(touch made)", args="`touch made`")("check").returncode
        == 2
    )
    star = Runner(job, paths="good.jsonl", snapshot="s.json", args="--prompt-field *")
    assert "prompt field '*'" in star("check").stderr
    assert not (job / "made").exists()


@pytest.mark.slow
def test_a_comment_is_made_once_and_then_updated(job: Path) -> None:
    github = GitHub()
    others = [{"id": number, "body": f"what is <!-- coherence check {number} -->?"} for number in range(100)]
    github.comments = [*others, {"id": 500, "body": None}]
    with serving(github):
        for paths in ("new samples.jsonl", "good.jsonl"):
            runner = Runner(job, github.url, paths=paths, snapshot="s.json")
            runner("check")
            assert runner("comment").returncode == 0
        assert github.written == ["POST", "PATCH"]
        assert github.comments[:100] == others
        (comment,) = github.comments[101:]
        marker, heading = comment["body"].splitlines()[:2]
        assert re.fullmatch(r"<!-- coherence check \d+ -->", marker)
        assert heading == "### coherence check: PASS · as well as before"
        shutil.copy("s.json", "other.json")
        runner = Runner(job, github.url, paths="good.jsonl", snapshot="other.json")
        runner("check")
        assert runner("comment").returncode == 0
    assert github.written == ["POST", "PATCH", "POST"]
    assert github.comments[101] is comment


@pytest.mark.slow
def test_a_token_that_may_not_write_is_a_warning(job: Path) -> None:
    github = GitHub(refuses=True)
    runner = Runner(job, github.url, paths="good.jsonl", snapshot="s.json")
    runner("check")
    with serving(github):
        done = runner("comment")
    assert done.returncode == 0
    assert done.stdout.startswith("::warning title=coherence::no comment was written: ")
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.slow
def test_where_nothing_was_compared_no_comment_is_written(job: Path) -> None:
    good = Runner(job, paths="good.jsonl", snapshot="s.json")
    good("check")
    runner = Runner(job, paths="good.jsonl", snapshot="none.json")
    assert runner("check").returncode == 2
    done = runner("comment")
    assert (done.returncode, done.stdout) == (0, "nothing was compared: no comment\n")


def test_what_is_installed_is_the_checkout_of_the_action(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="what builds the package is not installed")
    pip = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_TARGET": "installed"}
    done = Runner(tmp_path)("install", CC="/bin/false", **pip)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "installed/coherence/check/causes.py").exists()
