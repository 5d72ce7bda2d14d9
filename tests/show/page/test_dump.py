"""What `coherence serve` makes of a dump: its report page, made again when it changes."""

import json
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread

import pytest

from coherence.cli.main import main
from coherence.show.page import dump as dumps
from coherence.show.page.dump import ServedDump, holdings
from coherence.show.page.server import Server

FINE = "The old man walked along the river until evening and thought about the letter number {} she sent."


def write(path: Path, samples: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"step": step, "text": FINE.format(step)} for step in range(samples)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_a_file_is_served_as_the_page_of_its_report(tmp_path: Path) -> None:
    page = ServedDump(write(tmp_path / "<b>dump.jsonl", 5)).page()
    assert 'data-mode="report served"' in page
    assert "<title>&lt;b&gt;dump.jsonl · coherence</title>" in page
    assert str(tmp_path) not in page


def test_a_folder_of_dumps_is_served_as_the_page_of_several_runs(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name / "samples.jsonl", 3)
    assert 'data-mode="runs served"' in ServedDump(tmp_path).page()


def test_it_is_audited_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dumps, "REST", -1e9)
    served = ServedDump(write(tmp_path / "dump.jsonl", 3))
    first = served.page()
    served._next = 0.0
    assert served.page() is first
    write(served.path, 4)
    served._next = 0.0
    assert served.page() != first


def test_between_two_audits_it_rests(tmp_path: Path) -> None:
    served = ServedDump(write(tmp_path / "dump.jsonl", 3))
    first = served.page()
    write(served.path, 4)
    assert served.page() is first


def test_what_cannot_be_read_any_more_leaves_what_was_read_before(tmp_path: Path) -> None:
    served = ServedDump(write(tmp_path / "dump.jsonl", 3))
    first = served.page()
    served._next = 0.0
    served.path.write_text("", encoding="utf-8")
    assert served.page() is first


def test_a_folder_without_samples_has_no_page(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    assert ServedDump(tmp_path).page() == ""


def test_a_link_out_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere.jsonl", 3)
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "samples.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    assert ServedDump(tmp_path / "served").page() == ""


def test_the_losses_next_to_a_file_belong_to_it(tmp_path: Path) -> None:
    path = write(tmp_path / "samples.jsonl", 3)
    (tmp_path / "losses.csv").write_text("step,loss\n0,4.5\n1,4.4\n", encoding="utf-8")
    assert ServedDump(path).page()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "mine.jsonl").symlink_to(path)
    assert ServedDump(tmp_path / "linked" / "mine.jsonl").page()


@pytest.mark.slow
def test_the_policy_of_the_page_lets_it_ask_its_server_and_nobody_else(tmp_path: Path) -> None:
    with Server(write(tmp_path / "dump.jsonl", 3)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        replies = []
        for method in ("GET", "HEAD"):
            connection = HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
            connection.request(method, "/?run=any")
            replies.append(connection.getresponse())
            connection.close()
        server.shutdown()
    policies = [reply.headers["Content-Security-Policy"] for reply in replies]
    assert policies[0] == policies[1]
    assert policies[0].startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src 'self'" in policies[0]
    assert policies[0].endswith("; frame-ancestors 'none'")
    assert "unsafe" not in policies[0]
    assert replies[0].headers["ETag"] == replies[1].headers["ETag"]


def test_a_file_without_samples_is_a_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.jsonl").write_text("\n", encoding="utf-8")
    assert main(["serve", str(tmp_path / "empty.jsonl"), "--port", "0"]) == 2
    said = capsys.readouterr().err
    assert "empty.jsonl" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "nothing"),
        (("a.PNG", "b.jpg", "c.webp", "d.json", "e.jsonl"), "3 images, 2 JSON files"),
        (("model.safetensors", "run.csv"), "1 model file, 1 table"),
        (("x", "y", "notes.txt", "\x1b[31m.exe"), "1 text file, 3 other files"),
    ],
)
def test_what_a_folder_holds_is_said_in_kinds(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"")
    assert holdings(tmp_path) == said


def test_a_folder_that_cannot_be_read_holds_nothing(tmp_path: Path) -> None:
    assert holdings(tmp_path / "gone") == "nothing"


def test_a_link_that_leads_nowhere_disturbs_nothing(tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "gone")
    write(tmp_path / "samples.jsonl", 3)
    assert ServedDump(tmp_path).page()
