"""The demo: four runs that come with the package, each told and shown."""

import tomllib
from pathlib import Path

import pytest
from places import ROOT
from shell import Shell

from coherence.cli import demo


@pytest.mark.slow
def test_the_demo_tells_each_story_with_its_verdict_and_the_step_to_go_back_to(shell: Shell) -> None:
    status, out, err = shell("demo", "--out", "deep/pages")
    assert (status, out) == (0, "")
    stories = err.split(" of 4: ")[1:]
    for story, told in zip(demo.STORIES, stories, strict=True):
        assert told.startswith(f"{story.title}\n")
        assert story.text in " ".join(told.split())
        assert (Path("deep/pages") / f"{story.run}.html").stat().st_size > 10_000
    verdicts = [told.split("╭─ ")[1].split()[0] for told in stories]
    assert verdicts == ["CONTINUE", "HALT", "HALT", "PIVOT"]
    back = [told.split(" step ")[-1].split(":")[0] for told in stories]
    assert back == ["1,200", "50", "500", "450"]


@pytest.mark.slow
def test_without_a_folder_the_pages_lie_in_a_temporary_one_that_is_named(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    err = shell("demo").err
    (page,) = tmp_path.glob("coherence-demo-*/leak.html")
    assert page.as_uri() in err


@pytest.mark.slow
def test_a_quiet_demo_writes_the_pages_and_says_nothing(shell: Shell) -> None:
    assert shell("demo", "--out", "pages", "-q") == (0, "", "")
    assert len(list(Path("pages").iterdir())) == 4


def test_a_demo_without_room_or_runs_is_refused_by_name(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("file").touch()
    assert "file: a file; expected the name of a folder" in shell.refused("demo", "--out", "file")
    monkeypatch.setattr(demo, "_FOLDERS", (tmp_path / "gone",))
    assert "gone: no such folder; the runs of the demo were left out" in shell.refused("demo", "--out", "p")


def test_the_wheel_holds_the_runs_of_the_demo() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    mapped = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for story in demo.STORIES:
        assert mapped[f"fixtures/runs/{story.run}"] == f"coherence/fixtures/runs/{story.run}"
    assert sum(path.stat().st_size for path in (ROOT / "fixtures/runs").glob("*/*")) < 1_000_000


@pytest.mark.slow
def test_what_is_set_for_runs_of_ones_own_does_not_change_the_stories(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COHERENCE_WARMUP", "5000")
    Path("pyproject.toml").write_text("[tool.coherence]\nwarmpu = 5\n", encoding="utf-8")
    status, _, err = shell("demo", "--out", "pages")
    assert status == 0
    assert err.count("HALT · the loss is misleading") == 2
