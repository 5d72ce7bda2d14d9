"""Alerts reach who is to hear of a halt, and cost the run nothing: no wait, no error."""

import json
import logging
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from loopback import serving
from ports import free_port

from coherence import Gate, Monitor
from coherence.run.alerts import TrackioAlert, WandbAlert, Webhook, finish
from coherence.signals.gate import Verdict

LOW = "Budy Budy Budy Budy "
VERDICT = Verdict(True, True, "low", 5, 5, 2500, (), "5 samples in a row scored below 30")


class Slack(HTTPServer):
    """Listens as a webhook does, and waits before it answers until it may."""

    def __init__(self, status: int = 200) -> None:
        self.heard: list[Any] = []
        self.status, self.may_answer = status, threading.Event()
        self.may_answer.set()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/services/T1"


class _Handler(BaseHTTPRequestHandler):
    server: Slack

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.server.may_answer.wait(60)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def slack() -> Iterator[Slack]:
    server = Slack()
    with serving(server):
        yield server
        server.may_answer.set()


def test_a_webhook_hears_of_a_halt_once_and_in_the_words_that_slack_takes(
    slack: Slack, tmp_path: Path
) -> None:
    alert = Webhook(slack.url, run="exp7 <!channel>")
    with Monitor(tmp_path, gate=Gate(patience=2), on_halt=alert) as monitor:
        for step in range(5):
            monitor.sample(step, LOW)
    finish()
    ((path, kind, body),) = slack.heard
    assert (path, kind) == ("/services/T1", "application/json")
    assert list(body) == ["text"]
    assert body["text"].startswith("exp7 &lt;!channel&gt;: halted at step 1: 2 samples in a row")


def test_the_run_does_not_wait_for_a_webhook_that_does_not_answer(slack: Slack, tmp_path: Path) -> None:
    slack.may_answer.clear()
    with Monitor(tmp_path, gate=Gate(patience=1), on_halt=Webhook(slack.url)) as monitor:
        assert monitor.sample(0, LOW).halt  # it comes back while nobody has answered
    finish(timeout=0.01)  # nor does a program that ends wait longer than it says
    assert not slack.may_answer.is_set()


def test_what_fails_is_said_once_and_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    alert = Webhook(f"http://127.0.0.1:{free_port()}/gone")
    for _ in range(3):
        alert(VERDICT)
        finish()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "could not be sent" in caplog.text


def test_an_answer_that_is_an_error_is_said(slack: Slack, caplog: pytest.LogCaptureFixture) -> None:
    slack.status = 404
    Webhook(slack.url)(VERDICT)
    finish()
    assert "404" in caplog.text


@pytest.mark.parametrize("alert", [WandbAlert(), TrackioAlert()])
def test_a_tracker_that_is_not_there_costs_a_warning(
    alert: WandbAlert | TrackioAlert, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("wandb", "trackio"):
        monkeypatch.setitem(sys.modules, name, None)
    alert(VERDICT)
    finish()
    assert "ModuleNotFoundError" in caplog.text


@pytest.mark.parametrize(
    ("name", "alert"), [("wandb", WandbAlert("exp7")), ("trackio", TrackioAlert("exp7"))]
)
def test_a_tracker_is_called_as_it_documents(
    name: str, alert: WandbAlert | TrackioAlert, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker, called = ModuleType(name), []

    class AlertLevel:
        ERROR = "ERROR"

    def write(title: str, text: str, level: str) -> None:
        called.append((title, text, level))

    monkeypatch.setattr(tracker, "AlertLevel", AlertLevel, raising=False)
    monkeypatch.setattr(tracker, "alert", write, raising=False)
    monkeypatch.setitem(sys.modules, name, tracker)
    alert(VERDICT)
    finish()
    text = "exp7: halted at step 2,500: 5 samples in a row scored below 30"
    assert called == [("coherence: training halted", text, "ERROR")]
