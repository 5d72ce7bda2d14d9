"""What is refused is refused with what may have been meant, and with the help that fits."""

from pathlib import Path

import pytest
from prose import prose
from shell import Shell


@pytest.mark.parametrize(
    ("arguments", "meant", "help_of"),
    [
        (("adit", "x"), "'audit'", "coherence"),
        (("Score", "x"), "'score'", "coherence"),
        (("runs/exp7",), "'coherence audit runs/exp7'", "coherence"),
        (("--verson",), "'--version'", "coherence"),
        (("audit", "x", "--thresold", "3"), "'--threshold'", "coherence audit"),
        (("audit", "--thresold=3", "x"), "'--threshold'", "coherence audit"),
        (("check", "x", "--snapshto", "s.json"), "'--snapshot'", "coherence check"),
        (("score", "x", "--promt", "y"), "'--prompt'", "coherence score"),
    ],
)
def test_a_mistyped_command_or_option_is_refused_with_what_is_near_and_its_own_help(
    shell: Shell, arguments: tuple[str, ...], meant: str, help_of: str
) -> None:
    Path("runs/exp7").mkdir(parents=True)
    refused = shell.refused(*arguments)
    assert refused.endswith(f"did you mean {meant}? See '{help_of} --help'\n")
    assert refused.startswith(f"{help_of}: ")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("audit", "runs/exp8"), "'runs/exp7'"),
        (("audit", "rusn/exp7"), "'runs/exp7'"),
        (("audit", "rusn/exp7/samples.jsonl"), "'runs/exp7/samples.jsonl'"),
        (("audit", "runs/exp7", "--loss", "runs/exp7/los.csv"), "'runs/exp7/loss.csv'"),
        (("audit", "runs/exp7", "--profile", "cod"), "'code'"),
        (("audit", "runs/exp7", "--profile", "mine.jsn"), "'mine.json'"),
        (("audit", "runs/exp7", "--format", "jsonln"), "'jsonl'"),
        (("check", "runs/exp7", "--snapshot", "mine.jsno"), "'mine.json'"),
        (("compare", "runs/exp7", "runs/exp"), "'runs/exp7'"),
        (("serve", "rusn"), "'runs'"),
        (("watch", "RUNS"), "'runs'"),
        (("watch", "runs", "--alert", "wandbb"), "'wandb'"),
        (("calibrate", "runs/exp7/samples.json", "-o", "p.json"), "'runs/exp7/samples.jsonl'"),
        (("score", "--lines", "mine.jso"), "'mine.json'"),
        (("score", "x", "--profile", "dat"), "'data'"),
    ],
)
def test_a_path_or_a_name_that_is_not_there_is_refused_with_what_is_near(
    shell: Shell, arguments: tuple[str, ...], meant: str
) -> None:
    folder = Path("runs/exp7")
    folder.mkdir(parents=True)
    (folder / "samples.jsonl").write_text(f'{{"step": 1, "text": "{prose(20)}"}}\n', encoding="utf-8")
    (folder / "loss.csv").write_text("step,loss\n1,2.0\n", encoding="utf-8")
    Path("mine.json").write_text("{}", encoding="utf-8")
    assert shell.refused(*arguments).endswith(f"; did you mean {meant}?\n")


@pytest.mark.parametrize("name", ["zzz", "zzz/deep/er", "\x1b[31mzzz"])
def test_where_nothing_is_near_nothing_is_offered(shell: Shell, name: str) -> None:
    Path("runs").mkdir()
    assert "did you mean" not in shell.refused("audit", name)
    assert "did you mean" not in shell.refused("audit", "--xyz", name)


def test_what_is_offered_has_no_power_over_the_terminal(shell: Shell) -> None:
    Path("ru\x1b[31mns").mkdir()
    assert shell.refused("audit", "ru[31mns").endswith("; did you mean 'ru [31mns'?\n")


def test_a_folder_without_samples_says_what_it_holds(shell: Shell) -> None:
    for name in ("a.png", "b.jpg", "c.JPEG", "model.safetensors", "sub/pytorch_model.bin", "notes"):
        Path("run", name).parent.mkdir(parents=True, exist_ok=True)
        Path("run", name).touch()
    Path("run/metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n', encoding="utf-8")
    held = "it holds 3 images, 1 file of losses, 2 checkpoints, 1 other file"
    assert held in shell.refused("audit", "run")
    Path("empty").mkdir()
    assert "it holds no files" in shell.refused("audit", "empty")
