"""`coherence compare`, and what `coherence check --update` keeps and asks for, as a person meets them."""

import json
from pathlib import Path

import pytest
from checkpoints import samples
from shell import Shell

from coherence.check.snapshot import Snapshot
from coherence.check.verdict import Check

pytestmark = pytest.mark.once

PROMPTS = ["What is a bridge?", "Who lives by the sea?", "When does it rain?", "Why is it late?"]


def write(name: str, count: int = 80, bad: int = 0) -> str:
    rows = samples(count, bad=bad, seed=name, prompts=PROMPTS)
    told = (json.dumps({"text": row.text, "prompt": row.prompt, "task": "chat"}) for row in rows)
    Path(name).write_text("".join(f"{line}\n" for line in told), encoding="utf-8")
    return name


def update(shell: Shell, name: str, *options: str) -> str:
    status, out, err = shell("check", name, "--snapshot", "s.json", "--update", *options)
    assert (status, out) == (0, "")
    return err


def kept() -> int:
    return len(Snapshot.load("s.json").texts)


# Two dumps


@pytest.mark.slow
def test_two_dumps_end_with_the_status_of_a_check(shell: Shell) -> None:
    good, bad, few = write("good.jsonl", 200), write("bad.jsonl", 200, bad=50), write("few.jsonl", 19)
    assert shell("compare", good, write("as-good.jsonl", 200)).status == 0
    status, out, err = shell("compare", good, bad)
    assert (status, out) == (1, "")
    assert err.startswith("FAIL · ")
    assert "against 200 of good.jsonl, within each prompt" in " ".join(err.split())
    assert "Before and now (the same prompt)\n" in err
    assert shell("compare", good, few).status == 2


def test_two_dumps_give_json_and_a_page(shell: Shell) -> None:
    options = ("--json", "-", "--html", "page.html", "--tolerance", "4", "--level", "0.05", "--observe")
    status, out, _ = shell("compare", write("good.jsonl"), write("bad.jsonl", bad=20), *options)
    found = Check.from_json(out)
    assert (status, found.verdict, found.tolerance, found.level, found.observe) == (1, "fail", 4, 0.05, True)
    assert found.pairs
    assert Path("page.html").read_text(encoding="utf-8").count("<h2>Before and now: ") == 3


def test_two_dumps_are_read_by_the_options_of_a_check(shell: Shell) -> None:
    good, other = write("good.jsonl"), write("other.jsonl")
    out = shell("compare", good, other, "--group-by", "task", "--profile", "data", "--json", "-").out
    made = Check.from_json(out).made
    assert (made.group_by, made.profile.split()[0]) == ("task", "data")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("good.jsonl",), "NOW"),
        (("good.jsonl", "none.jsonl"), "none.jsonl: no such file or folder"),
        (("-", "-"), "standard input holds the samples of one side"),
        (("good.jsonl", "good.jsonl", "--tolerance", "0"), "tolerance 0.0"),
        (("good.jsonl", "good.jsonl", "--snapshot", "s.json"), "--snapshot"),
    ],
)
def test_what_cannot_be_compared_is_refused(shell: Shell, arguments: tuple[str, ...], said: str) -> None:
    write("good.jsonl")
    assert said in shell.refused("compare", *arguments)


def test_two_dumps_with_other_settings_are_refused_by_both_names(shell: Shell) -> None:
    Path("plain.jsonl").write_text('{"text": "It is late."}\n' * 30, encoding="utf-8")
    refused = shell.refused("compare", write("good.jsonl"), "plain.jsonl")
    assert "plain.jsonl: other settings than good.jsonl: prompts " in refused


def test_a_dump_and_itself_do_not_differ(shell: Shell) -> None:
    status, _, err = shell("compare", write("good.jsonl", 40), "good.jsonl")
    assert status == 0
    assert "note: both sides are the same samples" in err


# The texts of a snapshot


@pytest.mark.slow
def test_an_update_keeps_as_many_texts_as_the_snapshot_before(shell: Shell) -> None:
    assert "samples, " not in update(shell, write("a.jsonl"))
    assert kept() == 0
    assert "wrote s.json: 80 samples, 6 texts\n" in update(shell, "a.jsonl", "--keep-texts", "6")
    update(shell, write("b.jsonl"))
    assert kept() == 6
    update(shell, write("c.jsonl"), "--keep-texts", "0")
    assert kept() == 0


@pytest.mark.slow
def test_a_failed_check_shows_a_text_of_the_snapshot_only_if_it_has_one(shell: Shell) -> None:
    write("a.jsonl")
    bad = write("bad.jsonl", bad=20)
    for count, shown in (("0", False), ("4", True)):
        update(shell, "a.jsonl", "--keep-texts", count)
        status, _, err = shell("check", bad, "--snapshot", "s.json", "--html", "page.html")
        assert status == 1
        assert ("Before and now (the same prompt)" in err) == shown
        assert ("Before and now" in Path("page.html").read_text(encoding="utf-8")) == shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--keep-texts", "4"), "--keep-texts is for the snapshot that --update writes"),
        (("--update", "--keep-texts", "-1"), "--keep-texts -1"),
        (("--update", "--html", "page.html"), "--html"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    shell: Shell, options: tuple[str, ...], said: str
) -> None:
    assert said in shell.refused("check", write("a.jsonl"), "--snapshot", "s.json", *options)
    assert not Path("s.json").exists()


# In a pipeline


@pytest.mark.slow
@pytest.mark.parametrize("name", ["CI", "GITHUB_ACTIONS", "GITLAB_CI"])
def test_in_a_pipeline_an_update_says_what_it_would_change_and_writes_nothing_without_yes(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    update(shell, write("a.jsonl"))
    before = Path("s.json").read_bytes()
    worse = write("worse.jsonl", bad=20)
    monkeypatch.setenv(name, "true")
    status, out, err = shell("check", worse, "--snapshot", "s.json", "--update")
    assert (status, out) == (2, "")
    assert err.startswith("FAIL · ")
    assert err.endswith(
        "coherence: s.json: not written: in a pipeline, where nobody looks at what changes, "
        "--update needs --yes\n"
    )
    assert Path("s.json").read_bytes() == before
    update(shell, worse, "--yes")
    assert Path("s.json").read_bytes() != before


def test_in_a_pipeline_the_first_snapshot_needs_yes_as_well(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "1")
    assert "--yes" in shell.refused("check", write("a.jsonl"), "--snapshot", "s.json", "--update")
    assert not Path("s.json").exists()


@pytest.mark.parametrize("value", ["", "0", "false"])
def test_a_variable_that_says_no_is_not_a_pipeline(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CI", value)
    update(shell, write("a.jsonl"))


# History


@pytest.mark.slow
def test_each_update_remembers_the_figures_of_the_snapshot_before(shell: Shell) -> None:
    for number, bad in enumerate((0, 4, 6)):
        update(shell, write(f"{bad}.jsonl", 200, bad=bad))
        assert len(Snapshot.load("s.json").history) == number
    status, _, err = shell("check", write("last.jsonl", 200, bad=14), "--snapshot", "s.json")
    assert status == 1
    assert err.startswith("FAIL · the samples are worse than the oldest snapshot")


@pytest.mark.slow
def test_what_goes_down_a_little_each_time_fails_though_each_step_is_taken_for_the_new_standard(
    shell: Shell,
) -> None:
    for bad in (0, 8, 16):
        update(shell, write(f"{bad}.jsonl", 200, bad=bad))
    assert len(Snapshot.load("s.json").history) == 2
    assert shell("check", write("last.jsonl", 200, bad=24), "--snapshot", "s.json").status == 1


@pytest.mark.slow
def test_who_makes_a_standard_of_what_fails_is_not_held_to_the_one_before(shell: Shell) -> None:
    update(shell, write("good.jsonl", 200))
    assert "FAIL" in update(shell, write("bad.jsonl", 200, bad=60))
    assert Snapshot.load("s.json").history == ()
    assert shell("check", "bad.jsonl", "--snapshot", "s.json").status == 0


def test_without_the_file_the_history_begins_again(shell: Shell) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        update(shell, write(name))
    Path("s.json").unlink()
    update(shell, write("c.jsonl"))
    assert Snapshot.load("s.json").history == ()


def test_an_update_with_other_settings_forgets_the_history_and_says_what_differs(shell: Shell) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        update(shell, write(name))
    said = update(shell, "b.jsonl", "--profile", "data")
    assert "other settings than before: profile " in said
    assert Snapshot.load("s.json").history == ()
