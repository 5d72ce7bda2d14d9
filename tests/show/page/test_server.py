"""What `coherence serve` answers, to whom, and what it keeps in mind."""

import gzip
import json
import os
import re
import socket
import subprocess
import sys
from base64 import b64decode
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from places import RUNS as FIXTURES

from coherence.audit.conduct import audit, audit_dump
from coherence.audit.plan import Options, Request, prepare
from coherence.audit.runners import here
from coherence.cli.main import main
from coherence.readers.format import USUAL
from coherence.report import Report
from coherence.run.monitor import Monitor
from coherence.scoring.profile import SCALES
from coherence.show.page.curves import COLUMNS
from coherence.show.page.follow import AT_ONCE, Run, is_run
from coherence.show.page.gallery import Gallery
from coherence.show.page.server import Runs, Server
from coherence.signals.gate import Gate

FINE = "The old man walked along the river until evening and thought about the letter his daughter had sent."
LOOP = "The door was open. " * 9


class Asking:
    """Asks a server as anything may that reaches its port."""

    def __init__(self, address: str) -> None:
        self.host = urlsplit(address).netloc

    def __call__(self, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection(self.host, timeout=30)
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        reply = connection.getresponse()
        return reply, reply.read()

    def json(self, path: str) -> Any:
        reply, body = self(path)
        assert reply.status == 200, body
        return json.loads(body)


@pytest.fixture
def ask(served: str) -> Asking:
    return Asking(served)


PATHS = ("/", "/?run=leak", "/page.js", "/style.css", "/runs.json", "/run.json?run=leak")


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_get_and_head_are_answered_alike_but_for_the_body(ask: Asking, path: str) -> None:
    got, body = ask(path)
    head, nothing = ask(path, "HEAD")
    assert (got.status, head.status, nothing) == (200, 200, b"")
    assert head.getheader("Content-Length") == got.getheader("Content-Length") or "json" in path
    assert len(body) == int(got.getheader("Content-Length") or 0)


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_policy_and_what_a_run_says_is_not_kept(ask: Asking, path: str) -> None:
    reply, _ = ask(path)
    policy = reply.getheader("Content-Security-Policy") or ""
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert reply.getheader("X-Content-Type-Options") == "nosniff"
    assert reply.getheader("Cache-Control") == ("no-store" if "json" in path else "no-cache")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_any_other_method_is_refused(ask: Asking, method: str) -> None:
    assert ask("/", method)[0].status == 501


@pytest.mark.parametrize(
    "path",
    [
        "/leak/samples.jsonl",
        "/../../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/page.js/",
        "/run.json/../samples.jsonl",
        "/run.json?run=..%2Fleak",
        "/run.json?run=../leak",
        "/run.json?run=/etc",
        "/run.json?run=",
        "/run.json",
    ],
)
def test_a_path_or_a_run_that_is_not_listed_is_not_found(ask: Asking, path: str) -> None:
    assert ask(path)[0].status == 404


def test_a_number_that_is_none_is_a_bad_request(ask: Asking) -> None:
    assert ask("/run.json?run=leak&since=some")[0].status == 400


def test_what_belongs_to_the_version_is_sent_once(ask: Asking) -> None:
    tag = ask("/page.js")[0].getheader("ETag") or ""
    reply, body = ask("/page.js", If_None_Match=tag)
    assert (reply.status, body) == (304, b"")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::1"])
def test_a_name_of_another_site_that_leads_here_is_refused(ask: Asking, host: str) -> None:
    assert ask("/runs.json", Host=host)[0].status == 421


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000"])
def test_this_machine_is_answered_by_any_of_its_own_names(ask: Asking, host: str) -> None:
    assert ask("/runs.json", Host=host)[0].status == 200


def test_a_browser_that_says_nothing_or_goes_away_disturbs_nobody(ask: Asking) -> None:
    name, port = ask.host.split(":")
    silent = socket.create_connection((name, int(port)))
    leaving = socket.create_connection((name, int(port)))
    leaving.sendall(b"GET /style.css HTTP/1.1\r\n")
    leaving.close()
    assert ask("/runs.json")[0].status == 200
    silent.close()


def test_it_listens_on_loopback_alone(served: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert urlsplit(served).hostname == "127.0.0.1"
    assert main(["serve", "no such folder"]) == 2
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.slow
def test_told_to_listen_elsewhere_it_says_that_anyone_may_read(tmp_path: Path) -> None:
    everywhere = ["--host", "0.0.0.0", "--port", "0"]  # noqa: S104 - that is the point
    command = [sys.executable, "-m", "coherence.cli", "serve", str(tmp_path), *everywhere]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(3)]
        process.terminate()
    assert said[1].startswith("Anyone who can reach port")
    assert "no password" in " ".join(" ".join(said).split())


def test_a_port_that_is_taken_is_a_wrong_usage(ask: Asking, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(FIXTURES), "--port", ask.host.split(":")[1]]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# What is told


def told(run: Run) -> dict[str, Any]:
    """Everything a page knows of a run after asking until there is nothing more."""
    epoch, since = 0, -1
    parts: list[dict[str, Any]] = []
    while not parts or parts[-1]["behind"]:
        run.read()
        parts.append(run.news(epoch, since))
        epoch, since = int(parts[-1]["epoch"]), parts[-1]["since"]
    return joined(parts)


def joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Put together what was told bit by bit, as the page does."""
    found = dict(parts[-1])
    for name in ("samples", "curve", "between"):
        found[name] = [each for part in parts for each in part[name][0]] + parts[-1][name][1]
    stretches: list[Any] = []
    for part in parts:
        stretches = stretches[: part["curves"]["at"]] + part["curves"]["stretches"]
    found["curves"] = parts[-1]["curves"] | {"at": 0, "stretches": stretches}
    found["evidence"] = next(part["evidence"] for part in reversed(parts) if part["evidence"] is not None)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["healthy", "leak", "leak-characters", "lr", "one-line"])
def test_the_live_page_says_what_the_audit_says(name: str) -> None:
    audited = audit(FIXTURES / name)
    assert isinstance(audited, Report)
    live = told(Run(FIXTURES / name))
    report = live["report"]
    for field in (
        "halt",
        "halt_step",
        "halt_reason",
        "first_low_step",
        "last_step",
        "judged",
        "low",
        "restarts",
        "resume_from",
    ):
        assert report[field] == audited.to_plain()[field], field
    assert report["events"] == audited.to_plain()["events"]
    assert [(each["step"], each["place"], each["low"], each["streak"]) for each in live["samples"]] == [
        (each.step, each.index, each.low, each.streak) for each in audited.samples
    ]
    assert [each["diversity"] for each in live["between"]][:-1] == [
        each.diversity for each in audited.between
    ][: len(live["between"]) - 1]
    assert audited.loss is not None
    assert [point[0] for point in live["curve"]] == list(audited.loss.curve.steps)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["healthy", "leak", "leak-characters", "lr", "one-line"])
def test_the_live_page_draws_what_the_report_draws(name: str) -> None:
    request = Request([str(FIXTURES / name)], None, None, USUAL, Options(), None)
    gallery = Gallery()
    audit_dump(request, prepare(request), here, lambda _output: None, [gallery.see])
    live, audited = told(Run(FIXTURES / name))["curves"], gallery.curves
    assert live["streaks"] == audited["streaks"]
    of_samples = 3 + COLUMNS.index("between")  # the samples of the last step are compared once all are there
    for mine, theirs in zip(live["stretches"], audited["stretches"], strict=True):
        assert mine[:of_samples] == theirs[:of_samples]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["healthy", "leak", "lr", "one-line"])
def test_the_live_page_shows_the_evidence_that_the_page_of_the_audit_shows(name: str, tmp_path: Path) -> None:
    assert main(["audit", str(FIXTURES / name), "--html", str(tmp_path / "page.html")]) in (0, 1)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    packed = re.search(r'id="packed-told">([^<]*)<', page)
    assert packed
    audited = json.loads(gzip.decompress(b64decode(packed[1])))["evidence"]
    live = told(Run(FIXTURES / name))["evidence"]
    assert [_place(live["good"]), *map(_place, live["bad"])] == [
        _place(audited["good"]),
        *map(_place, audited["bad"]),
    ]


def _place(sample: dict[str, Any] | None) -> tuple[int, int, str] | None:
    return None if sample is None else (sample["step"], sample["place"], sample["text"])


def test_the_evidence_is_told_again_only_when_it_is_another(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with Monitor(tmp_path, gate=Gate(patience=2, observe_only=True)) as monitor:
        monitor.sample(10, FINE)
        first = told(run)
        assert first["evidence"] == {"good": None, "bad": []}
        assert run.news(int(first["epoch"]), first["since"])["evidence"] is None
        for step in (20, 30):
            monitor.sample(step, LOOP)
        run.read()
        second = run.news(int(first["epoch"]), first["since"])
        assert second["evidence"]["good"]["step"] == 10
        assert [each["step"] for each in second["evidence"]["bad"]] == [20, 30]
        monitor.sample(40, LOOP)
        run.read()
        assert run.news(int(second["epoch"]), second["since"])["evidence"] is None


def test_what_is_told_bit_by_bit_is_what_is_told_at_once(tmp_path: Path) -> None:
    run, epoch, since = Run(tmp_path), 0, -1
    parts: list[dict[str, Any]] = []
    with Monitor(tmp_path, vocab_size=100) as monitor:
        for step in range(200):
            monitor.loss(step, 4.0 - step / 100, source=("books", "code")[step % 2])
            if step % 20 == 0:
                monitor.sample(step, [FINE, LOOP])
            if step % 7 == 0:
                run.read()
                parts.append(run.news(epoch, since))
                epoch, since = int(parts[-1]["epoch"]), parts[-1]["since"]
    run.read()
    parts.append(run.news(epoch, since))
    assert [part["whole"] for part in parts] == [True] + [False] * (len(parts) - 1)
    bits, once = joined(parts), told(Run(tmp_path))
    for name in ("samples", "curve", "between", "curves"):
        assert bits[name] == once[name], name
    assert bits["report"] == once["report"]


def rows(folder: Path, count: int, start: int = 0) -> None:
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        for step in range(start, start + count):
            file.write(
                json.dumps(
                    {"format": 1, "step": step, "loss": 9.0 if step % 997 == 5 else 3.0, "time": 1.0 + step}
                )
                + "\n"
            )


def test_a_file_that_is_replaced_or_shrinks_starts_the_page_anew(tmp_path: Path) -> None:
    run = Run(tmp_path)
    rows(tmp_path, 50)
    first = told(run)
    os.truncate(tmp_path / "metrics.jsonl", 0)
    rows(tmp_path, 10)
    second = told(run)
    (tmp_path / "metrics.jsonl").rename(tmp_path / "old")
    rows(tmp_path, 60)
    third = told(run)
    assert [len(each["curve"]) for each in (first, second, third)] == [50, 10, 60]
    assert len({each["epoch"] for each in (first, second, third)}) == 3
    run.read()
    assert run.news(int(second["epoch"]), second["since"])["whole"] is True


def test_a_run_that_was_set_back_shows_the_later_steps_alone(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        for step in (*range(100), *range(40, 80)):
            monitor.loss(step, 3.0 if step else 2.0)
            if step % 20 == 0:
                monitor.sample(step, FINE)
    found = told(Run(tmp_path))
    assert found["report"]["restarts"] == [40]
    assert [point[0] for point in found["curve"]] == [*range(80)]
    assert [each["step"] for each in found["samples"]] == [0, 20, 40, 60]
    assert found["report"]["judged"] == 4


def test_a_sample_that_came_late_hides_none_of_those_that_a_restart_made_void(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        for step in (*range(100), *range(40, 80)):
            monitor.loss(step, 3.0 if step else 2.0)
            if step in (20, 60):
                monitor.sample(step, FINE)
            if step == 99:
                monitor.sample(39, FINE)
    found = told(Run(tmp_path))
    assert found["report"]["restarts"] == [40]
    assert [each["step"] for each in found["samples"]] == [20, 39, 60]
    assert found["report"]["judged"] == 3


def test_a_torn_line_waits_for_its_end_and_no_line_of_ours_is_passed_over(tmp_path: Path) -> None:
    run, line = Run(tmp_path), json.dumps({"format": 1, "step": 7, "loss": 3.0, "time": 1.0})
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'[1]\nno json\n{{"format": 1, "step": "7", "loss": 1}}\n{line[:20]}', encoding="utf-8")
    run.read()
    assert run.news(0, -1)["curve"] == ([], [])
    with path.open("a", encoding="utf-8") as file:
        file.write(line[20:] + '\n{"format": 1, "step": 8, "loss": "x", "time": []}\n')
    assert [point[0] for point in told(run)["curve"]] == [7]


@pytest.mark.slow
def test_a_long_run_is_told_in_bounded_bits_with_all_its_spikes(tmp_path: Path) -> None:
    rows(tmp_path, 40_000)
    run = Run(tmp_path)
    run.read()
    assert run.news(0, -1)["behind"] is ((tmp_path / "metrics.jsonl").stat().st_size > AT_ONCE)
    found = told(run)
    assert len(found["curve"]) <= 4200
    assert sum(point[1] == 9.0 for point in found["curve"]) == 41
    assert found["report"]["loss"]["rows"] == 40_000


def test_a_loss_that_is_no_number_and_an_infinite_one_are_null(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        for step, loss in enumerate((3.0, float("nan"), float("inf"), 2.0)):
            monitor.loss(step, loss)
    found = told(Run(tmp_path))
    assert [point[1] for point in found["curve"]] == [3.0, None, None, 2.0]
    assert json.loads(json.dumps(found, allow_nan=False))["report"]["loss"]["not_finite"] == 2


@pytest.mark.parametrize(
    "time",
    [10**400, -(10**400), "now", None, True, [], float("nan"), float("inf")],
    ids=lambda time: repr(time)[:9],
)
@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.jsonl"])
def test_a_time_that_no_clock_tells_stops_no_page(tmp_path: Path, name: str, time: object) -> None:
    rows: dict[str, dict[str, Any]] = {
        "metrics.jsonl": {"format": 1, "step": 1, "loss": 3.0, "time": 1.0},
        "samples.jsonl": {
            "format": 1,
            "step": 1,
            "index": 0,
            "text": FINE,
            "scores": dict.fromkeys(SCALES, 90.0),
            "time": 1.0,
        },
    }
    rows[name]["time"] = time
    for file, row in rows.items():
        (tmp_path / file).write_text(json.dumps(row) + "\n", encoding="utf-8")
    found = told(Run(tmp_path))
    assert (len(found["curve"]), len(found["samples"])) == (1, 1)


@pytest.mark.slow
def test_a_folder_without_runs_is_served_until_one_appears(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        ask = Asking(f"http://127.0.0.1:{server.server_address[1]}/")
        assert ask.json("/runs.json") == {"runs": [], "holds": "nothing", "dump": False}
        rows_of(tmp_path / "first")
        assert [each["run"] for each in ask.json("/runs.json")["runs"]] == ["first"]
        assert ask.json("/run.json?run=first")["report"]["last_step"] == 4
        server.shutdown()


def test_a_line_of_a_run_is_of_what_was_read_and_not_of_a_status_that_is_older(tmp_path: Path) -> None:
    with Monitor(tmp_path / "exp7", vocab_size=100, gate=Gate(patience=3)) as monitor:
        monitor.loss(0, 4.0)
        early = (tmp_path / "exp7" / "loss.json").read_bytes()
        for step in range(1, 50):
            monitor.loss(step, 4.0 - step / 100)
            if step % 10 == 0:
                monitor.sample(step, LOOP)
    (tmp_path / "exp7" / "loss.json").write_bytes(early)
    runs = Runs(tmp_path)
    (line,) = runs.overview()["runs"]
    assert (line["halt"], line["last_step"]) == (False, 0)
    runs.news("exp7", 0, -1)
    (line,) = runs.overview()["runs"]
    assert (line["halt"], line["halt_step"], line["last_step"]) == (True, 30, 49)
    assert line["diagnosis"]["action"] == "halt"


def test_before_the_first_sample_no_sample_is_called_too_short(tmp_path: Path) -> None:
    run = Run(tmp_path)
    rows(tmp_path, 200)
    report = told(run)["report"]
    assert report["headline"] == report["diagnosis"]["name"] == "no sample yet"
    assert "too short" not in json.dumps(report["diagnosis"]["sentence"])
    with Monitor(tmp_path) as monitor:
        monitor.sample(300, FINE)
    assert told(run)["report"]["diagnosis"]["name"] != "no sample yet"


def test_a_verdict_on_the_loss_alone_does_not_wait_for_a_sample(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.loss(1, float("nan"))
    diagnosis = told(Run(tmp_path))["report"]["diagnosis"]
    assert diagnosis["action"] == "halt"
    assert "not finite" in diagnosis["sentence"]


@pytest.mark.slow
def test_while_it_catches_up_it_says_how_many_bytes_were_read(tmp_path: Path) -> None:
    rows(tmp_path, 40_000)
    size = (tmp_path / "metrics.jsonl").stat().st_size
    run = Run(tmp_path)
    shares: list[list[int] | None] = []
    while not shares or shares[-1]:
        run.read()
        shares.append(run.news(0, -1)["reading"])
    assert shares[-1] is None
    assert all(share and share[1] == size and AT_ONCE <= share[0] < size for share in shares[:-1])
    assert len(shares) > 1


@pytest.mark.parametrize(
    ("name", "row", "ours"),
    [
        ("samples.jsonl", {"step": 1, "text": FINE}, False),
        ("samples.jsonl", {"format": 1, "step": 1, "text": FINE, "time": 1.0}, True),
        ("samples.jsonl", None, True),
        ("metrics.jsonl", {"step": 1, "loss": 3.0}, False),
        ("loss.json", {"format": 1}, True),
        ("other.jsonl", {"format": 1, "step": 1}, False),
    ],
)
def test_a_run_folder_holds_rows_of_a_monitor_and_not_those_of_others(
    tmp_path: Path, name: str, row: dict[str, Any] | None, ours: bool
) -> None:
    (tmp_path / name).write_text("" if row is None else json.dumps(row) + "\n", encoding="utf-8")
    assert is_run(tmp_path) is ours


def rows_of(folder: Path) -> None:
    folder.mkdir()
    rows(folder, 5)
