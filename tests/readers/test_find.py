"""Which runs a person means by a path, and of each which files hold samples and losses."""

import errno
import io
import json
import sys
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from coherence.lazy import needs
from coherence.readers import storage
from coherence.readers.find import RunFiles, find_runs
from coherence.readers.folders import natural
from coherence.readers.lines import Part, Problems
from coherence.readers.read import Piece, losses_in, samples_in

SAMPLE = '{"step": 1, "text": "once"}\n'
LOSS = '{"step": 1, "loss": 2.5}\n'
STATE = '{"log_history": [{"step": 1, "loss": 2.5}], "global_step": 1}'
CSV = "epoch,step,train_loss\n0,1,2.5\n"
LOG = "0 train 10.9500\n1 train 9.8000\nrank 0 sample 0: Once upon a time there was\n2 train 9.1000\n"
HEADER = "======== SAMPLE 1 ========\n"


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*paths: str, **options: Any) -> list[tuple[str, list[str], list[str]]]:
    """Each run's name, its files of samples and its files of losses."""
    return [
        (run.name, [file.path for file in run.samples], [file.path for file in run.losses])
        for run in find_runs(paths, **options)
    ]


def the_run(*paths: str, **options: Any) -> RunFiles:
    (run,) = find_runs(paths, **options)
    return run


# A run folder of ours


def test_a_run_folder_stands_for_its_samples_with_its_losses_and_its_vocabulary(here: Path) -> None:
    run = {
        "samples.jsonl": SAMPLE,
        "metrics.jsonl": LOSS,
        "run.json": '{"vocab_size": 512}',
        "other.jsonl": SAMPLE,
    }
    write(here / "exp", {**run, "loss.json": "{}", "gate.json": "{}"})
    assert found("exp") == [("exp", ["exp/samples.jsonl"], ["exp/metrics.jsonl"])]
    assert the_run("exp").vocab_size == 512
    assert the_run("exp").notes == ()


def test_its_samples_given_by_themselves_have_the_same_losses_and_vocabulary(here: Path) -> None:
    write(here, {"samples.jsonl": SAMPLE, "metrics.jsonl": LOSS, "run.json": '{"vocab_size": 512}'})
    assert found("samples.jsonl") == [("samples.jsonl", ["samples.jsonl"], ["./metrics.jsonl"])]
    assert the_run("samples.jsonl").vocab_size == 512


def test_another_file_beside_the_losses_has_none(here: Path) -> None:
    write(here, {"other.jsonl": SAMPLE, "metrics.jsonl": LOSS})
    assert found("other.jsonl") == [("other.jsonl", ["other.jsonl"], [])]


@pytest.mark.parametrize("content", ['{"vocab_size": true}', '{"vocab_size": "9"}', "{}"])
def test_a_vocabulary_that_is_no_number_is_none(here: Path, content: str) -> None:
    write(here, {"samples.jsonl": SAMPLE, "run.json": content})
    assert the_run(".").vocab_size is None


@pytest.mark.parametrize("content", ["[1]", "torn", "[" * 100_000])
def test_a_run_json_that_is_none_is_an_error_that_names_it(here: Path, content: str) -> None:
    write(here, {"samples.jsonl": SAMPLE, "run.json": content})
    with pytest.raises(ValueError, match=r"^\./run\.json: not a JSON object: "):
        find_runs(["."])


# Folders


def test_a_folder_stands_for_all_its_files_of_samples_in_the_order_of_their_numbers(here: Path) -> None:
    write(here, {f"{step}.jsonl": SAMPLE for step in (200, 1000, 30)})
    write(here, {"metrics.jsonl": LOSS, "config.json": '{"a": 1}', "readme.md": "Once", "train.py": "x = 1"})
    assert found(".") == [(here.name, ["./30.jsonl", "./200.jsonl", "./1000.jsonl"], ["./metrics.jsonl"])]
    assert the_run(".").notes == ()


@pytest.mark.parametrize("folder", ["samples", "completions", "Generations"])
def test_the_usual_folders_belong_to_the_run(here: Path, folder: str) -> None:
    write(
        here / "exp",
        {f"{folder}/step_9.jsonl": SAMPLE, f"{folder}/step_10.jsonl": SAMPLE, "metrics.csv": CSV},
    )
    paths = [f"exp/{folder}/step_9.jsonl", f"exp/{folder}/step_10.jsonl"]
    assert found("exp") == [("exp", paths, ["exp/metrics.csv"])]


def test_a_folder_a_step_belongs_to_the_run(here: Path) -> None:
    write(
        here / "exp",
        {f"step_{step}/rank{rank}.jsonl": '{"text": "a"}' for step in (9, 10) for rank in (0, 1)},
    )
    names = [f"exp/step_{step}/rank{rank}.jsonl" for step in (9, 10) for rank in (0, 1)]
    assert found("exp") == [("exp", names, [])]


def test_gpt_2_simple_writes_the_samples_of_a_run_two_folders_down(here: Path) -> None:
    write(here, {f"samples/run1/samples-{step}": HEADER + "Once\n" for step in (100, 1000, 200)})
    write(here, {"checkpoint/run1/counter": "1000", "checkpoint/run1/model-1000.index": "x"})
    names = [f"./samples/run1/samples-{step}" for step in (100, 200, 1000)]
    assert found(".") == [(here.name, names, [])]
    assert {file.format for file in the_run(".").samples} == {"numbered"}


def test_text_files_with_numbers_count_where_there_are_several_of_a_name(here: Path) -> None:
    write(here / "exp", {"out_1.txt": "Once", "out_2.txt": "Once", "requirements3.txt": "numpy"})
    assert found("exp") == [("exp", ["exp/out_1.txt", "exp/out_2.txt"], [])]
    write(here / "none", {"requirements3.txt": "numpy", "notes.md": "Once"})
    with pytest.raises(ValueError, match=r"^none: a folder without samples"):
        find_runs(["none"])


def test_one_other_folder_below_belongs_to_the_run_and_the_losses_above_it_are_its(here: Path) -> None:
    write(here / "exp", {"rollouts/5.jsonl": SAMPLE, "trainer_state.json": STATE})
    assert found("exp") == [("exp", ["exp/rollouts/5.jsonl"], ["exp/trainer_state.json"])]


def test_hidden_files_and_those_of_models_are_not_opened(here: Path) -> None:
    write(
        here,
        {"a.jsonl": SAMPLE, ".b.jsonl": SAMPLE, "_c.jsonl": SAMPLE, ".git/d.jsonl": SAMPLE, "e.pt": SAMPLE},
    )
    assert found(".") == [(here.name, ["./a.jsonl"], [])]


# Several runs


def test_a_folder_of_run_folders_is_several_runs(here: Path) -> None:
    for name in ("exp10", "exp9"):
        write(here / "runs" / name, {"samples.jsonl": SAMPLE, "metrics.jsonl": LOSS})
    assert found("runs") == [
        (name, [f"runs/{name}/samples.jsonl"], [f"runs/{name}/metrics.jsonl"]) for name in ("exp9", "exp10")
    ]


def test_folders_of_samples_without_losses_are_runs_too_where_there_are_several(here: Path) -> None:
    write(here, {"runs/a/1.jsonl": SAMPLE, "runs/b/samples/1.jsonl": SAMPLE, "runs/empty/readme.md": "x"})
    assert [(name, samples) for name, samples, _ in found("runs")] == [
        ("a", ["runs/a/1.jsonl"]),
        ("b", ["runs/b/samples/1.jsonl"]),
    ]


def test_folders_below_one_with_losses_are_parts_of_its_run(here: Path) -> None:
    write(here / "exp", {"rank0/1.jsonl": SAMPLE, "rank1/1.jsonl": SAMPLE, "metrics.jsonl": LOSS})
    assert found("exp") == [("exp", ["exp/rank0/1.jsonl", "exp/rank1/1.jsonl"], ["exp/metrics.jsonl"])]


def test_several_files_are_one_run(here: Path) -> None:
    write(here, {"rank0.jsonl": SAMPLE, "rank1.jsonl": SAMPLE, "rank2.jsonl": SAMPLE})
    assert found("rank1.jsonl", "rank0.jsonl", "rank2.jsonl") == [
        ("rank1.jsonl and 2 more", ["rank1.jsonl", "rank0.jsonl", "rank2.jsonl"], [])
    ]


def test_the_samples_of_several_run_folders_are_several_runs(here: Path) -> None:
    for name in ("a", "b"):
        write(here / name, {"samples.jsonl": SAMPLE, "metrics.jsonl": LOSS, "run.json": "{}"})
    assert [losses for _, _, losses in found("*/samples.jsonl")] == [["a/metrics.jsonl"], ["b/metrics.jsonl"]]


def test_runs_whose_folders_have_the_same_name_go_by_their_paths(here: Path) -> None:
    for name in ("a/run", "b/run"):
        write(here / name, {"samples.jsonl": SAMPLE})
    assert [name for name, _, _ in found("a/run", "b/run")] == ["a/run", "b/run"]


def test_a_file_and_a_folder_are_two_runs(here: Path) -> None:
    write(here, {"a.jsonl": SAMPLE, "exp/samples.jsonl": SAMPLE})
    assert [name for name, _, _ in found("exp", "a.jsonl")] == ["a.jsonl", "exp"]


# Patterns, and names


def test_a_pattern_stands_for_what_matches_it_in_the_order_of_the_numbers(here: Path) -> None:
    write(here, {f"samples-{step}": HEADER for step in (100, 1000, 200)})
    assert found("samples-*")[0][1] == ["samples-100", "samples-200", "samples-1000"]
    assert found("samples-[12]00")[0][1] == ["samples-100", "samples-200"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(here: Path) -> None:
    write(here, {"a[1].jsonl": SAMPLE, "a1.jsonl": SAMPLE})
    assert found("a[1].jsonl") == [("a[1].jsonl", ["a[1].jsonl"], [])]


def test_names_are_sorted_by_their_numbers() -> None:
    names = ["s-1000", "s-20", "t", "s-100", "10", "s", "9", "s-20b", "1" * 30]
    ordered = ["9", "10", "1" * 30, "s", "s-20", "s-20b", "s-100", "s-1000", "t"]
    assert sorted(names, key=natural) == ordered


@pytest.mark.parametrize("name", ["none", "none/at/all", "*.jsonl", "[x]"])
def test_a_path_that_is_not_there_is_refused_by_name(here: Path, name: str) -> None:
    assert not list(here.iterdir())
    with pytest.raises(FileNotFoundError) as caught:
        find_runs([name])
    assert str(caught.value).startswith(f"{name}: no")


def test_standard_input_is_read_more_than_once_and_goes_by_a_dash(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SAMPLE.encode() + b"torn\n")))
    (run,) = find_runs(["-"])
    assert run.name == "-"
    problems = Problems()
    for _ in range(2):
        (sample,) = samples_in(Piece(Part(run.samples[0].path), run.samples[0].format), problems)
        assert (sample.text, sample.file) == ("once", "-")
    assert [problem.file for problem in problems.listed] == ["-", "-"]
    assert list(here.iterdir()) == []


# Links


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_a_link_beside_its_file_is_left_out_and_noted(here: Path, link: Any) -> None:
    write(here / "exp", {"samples-5.jsonl": SAMPLE, "samples-20.jsonl": SAMPLE})
    link(here / "exp/latest.jsonl", here / "exp/samples-20.jsonl")
    note = "exp/latest.jsonl: left out, the same file as exp/samples-20.jsonl"
    expected = ["exp/samples-5.jsonl", "exp/samples-20.jsonl"]
    for paths in (["exp"], ["exp/*"], [*expected[:1], "exp/latest.jsonl", *expected[1:]]):
        run = the_run(*paths)
        assert [file.path for file in run.samples] == expected
        assert run.notes == (note,)


def test_of_the_names_of_a_file_the_one_that_tells_its_step_is_read(here: Path) -> None:
    write(here / "exp", {"samples-5.txt": HEADER + "Once\n", "samples-20.txt": HEADER + "Once\n"})
    (here / "exp/a-copy.txt").hardlink_to(here / "exp/samples-20.txt")
    assert found("exp")[0][1] == ["exp/samples-5.txt", "exp/samples-20.txt"]


def test_a_link_into_a_folder_of_the_same_run_is_left_out(here: Path) -> None:
    write(here / "exp", {"samples/5.jsonl": SAMPLE, "samples/20.jsonl": SAMPLE, "metrics.jsonl": LOSS})
    (here / "exp/last.jsonl").symlink_to("samples/20.jsonl")
    assert found("exp") == [("exp", ["exp/samples/5.jsonl", "exp/samples/20.jsonl"], ["exp/metrics.jsonl"])]
    assert the_run("exp").notes == ("exp/last.jsonl: left out, the same file as exp/samples/20.jsonl",)


@pytest.mark.parametrize("losses", [False, True])
@pytest.mark.parametrize(
    "copy",
    [
        *("{}.jsonl~", "{}.jsonl.~2~", "{}.jsonl.bak", "{}.jsonl.tmp", "{}.jsonl.orig", "{} (1).jsonl"),
        *("{}(2).jsonl", "{} copy.jsonl", "{} copy 2.jsonl", "{} - Copy.jsonl", "{} - Copy (2).jsonl"),
    ],
)
def test_a_copy_beside_its_file_is_left_out_and_noted_and_read_without_it(
    here: Path, copy: str, losses: bool
) -> None:
    stem, content = ("log", LOSS) if losses else ("step_50", SAMPLE)
    write(here, {"step_1.jsonl": SAMPLE, copy.format(stem): content})
    assert f"./{copy.format(stem)}" in found(".")[0][2 if losses else 1]
    write(here, {f"{stem}.jsonl": content})
    assert found(".")[0][1:] == (
        ["./step_1.jsonl", *([] if losses else ["./step_50.jsonl"])],
        ["./log.jsonl"] if losses else [],
    )
    note = f"./{copy.format(stem)}: left out, by its name a copy of {stem}.jsonl"
    assert the_run(".").notes == (note,)


def test_numbers_in_brackets_are_no_copies_where_their_file_is_missing(here: Path) -> None:
    write(
        here, {f"step_50 ({number}).jsonl": SAMPLE for number in (1, 2)} | {"train.py": "", "train.py~": ""}
    )
    assert (len(the_run(".").samples), the_run(".").notes) == (2, ())


def test_a_file_that_is_named_twice_is_read_once(here: Path) -> None:
    write(here, {"a.jsonl": SAMPLE})
    assert found("a.jsonl", "./a.jsonl", "*.jsonl") == [("a.jsonl", ["a.jsonl"], [])]
    assert the_run("a.jsonl", "./a.jsonl").notes == ("./a.jsonl: left out, the same file as a.jsonl",)


def test_a_link_to_the_losses_is_left_out_and_noted(here: Path) -> None:
    write(here / "exp", {"samples.jsonl": SAMPLE, "loss-a.jsonl": LOSS})
    (here / "exp/loss-b.jsonl").symlink_to("loss-a.jsonl")
    assert found("exp") == [("exp", ["exp/samples.jsonl"], ["exp/loss-a.jsonl"])]
    assert the_run("exp").notes == ("exp/loss-b.jsonl: left out, the same file as exp/loss-a.jsonl",)


def test_a_link_to_the_samples_holds_no_losses_of_its_own(here: Path) -> None:
    write(here / "exp", {"a.jsonl": LOSS + SAMPLE})
    (here / "exp/b.jsonl").symlink_to("a.jsonl")
    assert found("exp") == [("exp", ["exp/a.jsonl"], ["exp/a.jsonl"])]


# Losses


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.jsonl", LOSS),
        ("metrics.jsonl.gz", LOSS),
        ("trainer_state.json", STATE),
        ("metrics.csv", CSV),
        ("checkpoint-500/trainer_state.json", STATE),
        ("version_3/metrics.csv", CSV),
        ("lightning_logs/version_3/metrics.csv", CSV),
        ("train_log.jsonl", LOSS),
        ("training.log", "epoch,loss\n0,2.5\n"),
    ],
)
def test_the_losses_are_found_where_trainers_put_them(here: Path, name: str, content: str) -> None:
    write(here / "exp", {"completions/step_1.jsonl": SAMPLE, name: content})
    assert found("exp") == [("exp", ["exp/completions/step_1.jsonl"], [f"exp/{name}"])]


def test_of_several_the_best_known_are_taken_and_of_checkpoints_and_versions_the_newest(here: Path) -> None:
    write(
        here,
        {
            "samples.jsonl": SAMPLE,
            "log.jsonl": LOSS,
            "version_1/metrics.csv": CSV,
            "version_10/metrics.csv": CSV,
        },
    )
    assert found(".")[0][2] == ["./version_10/metrics.csv"]
    write(here, {f"checkpoint-{step}/trainer_state.json": STATE for step in (500, 1000)})
    assert found(".")[0][2] == ["./checkpoint-1000/trainer_state.json"]
    write(here, {"trainer_state.json": STATE})
    assert found(".")[0][2] == ["./trainer_state.json"]
    write(here, {"metrics.jsonl": LOSS})
    assert found(".")[0][2] == ["./metrics.jsonl"]


def test_the_trainer_state_above_a_checkpoint_is_found_from_within(here: Path) -> None:
    write(here, {"checkpoint-500/samples.jsonl": SAMPLE, "trainer_state.json": STATE})
    assert found("checkpoint-500") == [
        ("checkpoint-500", ["checkpoint-500/samples.jsonl"], ["./trainer_state.json"])
    ]


@pytest.mark.parametrize("path", ["out", "out/samples.jsonl", "out/checkpoint-900"])
def test_the_checkpoints_of_a_run_are_those_in_its_folder_and_beside_it_if_it_is_one(
    here: Path, path: str
) -> None:
    write(here / "out", {"samples.jsonl": SAMPLE, "trainer_state.json": STATE})
    for name in ("checkpoint-1000", "checkpoint-900", "checkpoint-9x", "tmp-checkpoint-950", "checkpoint"):
        (here / "out" / name).mkdir()
    write(here / "out", {"checkpoint-900/samples.jsonl": SAMPLE, "checkpoint-800": "a file"})
    assert the_run(path).saved == (900, 1000)


def test_checkpoints_beside_the_losses_count_wherever_the_samples_lie(here: Path) -> None:
    write(here, {"drawn.jsonl": SAMPLE, "out/trainer_state.json": STATE, "checkpoint-3/weights": ""})
    write(here, {f"out/checkpoint-{step}/trainer_state.json": STATE for step in (5, 10)})
    assert the_run("drawn.jsonl").saved == ()
    for losses in ("out", "out/trainer_state.json", "out/checkpoint-10/trainer_state.json"):
        assert the_run("drawn.jsonl", loss=losses).saved == (5, 10)


def test_metrics_that_hold_no_losses_give_way_to_those_that_do(here: Path) -> None:
    write(
        here, {"samples.jsonl": SAMPLE, "metrics.jsonl": '{"step": 1, "val_loss": 2.0}\n', "metrics.csv": CSV}
    )
    assert found(".")[0][2] == ["./metrics.csv"]


def test_folders_named_after_the_path_of_a_checkpoint_are_of_its_step(here: Path) -> None:
    write(here / "exp", {f"__ckpt__step_{step}/samples_a.jsonl": SAMPLE for step in (5, 10)})
    paths = [f"exp/__ckpt__step_{step}/samples_a.jsonl" for step in (5, 10)]
    assert found("exp") == [("exp", paths, [])]


@pytest.mark.parametrize(
    ("of_validation", "of_training"),
    [
        ("val_loss.csv", "train_loss.csv"),
        ("val_loss.csv", "loss.csv"),
        ("eval_metrics.jsonl", "train_metrics.jsonl"),
        ("dev.jsonl", "log.csv"),
        ("eval.log", "train.log"),
        ("heldout-loss.csv", "train.log"),
        ("validation_log.csv", "samples/mixed.jsonl"),
    ],
)
def test_losses_of_files_named_after_validation_count_only_where_there_are_no_others(
    here: Path, of_validation: str, of_training: str
) -> None:
    kinds = {".csv": "step,loss\n1,2.5\n2,2.25\n", ".jsonl": LOSS, ".log": LOG}
    write(here, {"step_1.jsonl": SAMPLE, of_validation: kinds[Path(of_validation).suffix]})
    note = f"./{of_validation}: its name says that its losses are of validation; none of training was found"
    assert found(".")[0][2] == [f"./{of_validation}"]
    assert the_run(".").notes == (note,)
    assert the_run(".", loss=of_validation).notes == ()
    training = LOSS + SAMPLE if "/" in of_training else kinds[Path(of_training).suffix]
    write(here, {of_training: training})
    assert found(".")[0][2] == [f"./{of_training}"]
    assert the_run(".").notes == ()
    assert found(".", loss=of_validation)[0][2] == [of_validation]


def test_losses_of_an_evaluation_next_to_its_samples_give_way_to_those_of_the_training_above(
    here: Path,
) -> None:
    write(here / "exp", {"eval/step_1.jsonl": SAMPLE, "eval/eval_log.jsonl": LOSS})
    assert found("exp") == [("eval", ["exp/eval/step_1.jsonl"], ["exp/eval/eval_log.jsonl"])]
    write(here / "exp", {"train_log.jsonl": LOSS})
    assert found("exp") == [("exp", ["exp/eval/step_1.jsonl"], ["exp/train_log.jsonl"])]
    assert the_run("exp").notes == ()


def test_a_loss_in_the_rows_of_the_samples_comes_before_one_of_validation(here: Path) -> None:
    write(here, {"step_1.jsonl": '{"text": "once", "loss": 2.5}\n', "val_loss.csv": "step,loss\n1,2.5\n"})
    assert (found(".")[0][2], the_run(".").notes) == ([], ())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train_eval.csv", "step,loss\n1,2.5\n"),
        ("latest.csv", "step,loss\n1,2.5\n"),
        ("test.csv", "step,train_loss,val_loss\n1,2.5,2.6\n"),
        ("eval/trainer_state.json", STATE),
    ],
)
def test_a_word_of_validation_counts_only_in_the_name_and_where_no_key_names_training(
    here: Path, name: str, content: str
) -> None:
    folder = here / name
    write(here, {(folder.parent / "step_1.jsonl").relative_to(here).as_posix(): SAMPLE, name: content})
    run = the_run(folder.parent.as_posix())
    assert [Path(file.path).name for file in run.losses] == [folder.name]
    assert run.notes == ()


def test_a_table_whose_loss_has_another_name_is_noted_where_there_is_no_other_loss(here: Path) -> None:
    write(here, {"samples.jsonl": SAMPLE, "history.csv": "_step,total/loss_sum\n1,2.5\n2,2.25\n"})
    note = "./history.csv: a loss is in it, but none under a usual name; --loss-field names the key"
    assert the_run(".").notes == (note,)
    write(here, {"history.csv": "step,eval_loss\n1,2.5\n2,2.25\n", "prose.jsonl": '{"a": "a loss of 3"}\n'})
    assert the_run(".").notes == ()
    write(here, {"other.jsonl": '{"step": 1, "total/loss_sum": 2.5}\n'})
    assert the_run(".").notes == (note.replace("history.csv", "other.jsonl"),)
    write(here, {"metrics.jsonl": LOSS})
    assert the_run(".").notes == ()


def test_rows_of_losses_among_the_samples_count_where_there_are_no_others(here: Path) -> None:
    write(here, {"mixed.jsonl": LOSS + SAMPLE})
    assert found("mixed.jsonl") == [("mixed.jsonl", ["mixed.jsonl"], ["mixed.jsonl"])]
    write(here, {"own.jsonl": '{"step": 1, "text": "a", "loss": 2.5}\n'})
    assert found("own.jsonl") == [("own.jsonl", ["own.jsonl"], [])]


def test_a_log_holds_the_losses_and_where_there_are_no_others_the_samples(here: Path) -> None:
    write(here / "exp", {"train.log": LOG, "config.json": "{}"})
    assert found("exp") == [("exp", ["exp/train.log"], ["exp/train.log"])]
    assert found("exp/train.log") == [("exp/train.log", ["exp/train.log"], ["exp/train.log"])]
    write(here / "exp", {"step_1.jsonl": SAMPLE})
    assert found("exp") == [("exp", ["exp/step_1.jsonl"], ["exp/train.log"])]
    write(here / "exp", {"trainer_state.json": STATE})
    assert found("exp") == [("exp", ["exp/step_1.jsonl"], ["exp/trainer_state.json"])]


def test_folders_of_logs_are_a_run_each(here: Path) -> None:
    write(here, {"runs/a/train.log": LOG, "runs/b/train.log": LOG})
    expected = [(name, [f"./runs/{name}/train.log"], [f"./runs/{name}/train.log"]) for name in ("a", "b")]
    assert found(".") == expected
    assert [name for name, _, _ in found("runs")] == ["a", "b"]


def test_a_log_without_samples_makes_no_run(here: Path) -> None:
    write(here / "exp", {"train.log": LOG.split("rank 0")[0]})
    with pytest.raises(ValueError, match=r"^exp: a folder without samples"):
        find_runs(["exp"])


def test_losses_that_were_named_are_taken(here: Path) -> None:
    write(here, {"samples.jsonl": SAMPLE, "metrics.jsonl": LOSS, "elsewhere/metrics.csv": CSV, "a.txt": LOSS})
    assert found(".", loss="a.txt")[0][2] == ["a.txt"]
    assert found(".", loss="elsewhere")[0][2] == ["elsewhere/metrics.csv"]


def test_losses_that_were_named_and_are_none_are_refused_by_name(here: Path) -> None:
    write(
        here,
        {
            "samples.jsonl": SAMPLE,
            "notes.txt": "Once upon",
            "folder/readme.md": "x",
            "runs/a/samples.jsonl": SAMPLE,
        },
    )
    with pytest.raises(ValueError, match=r"^notes\.txt: none of the formats"):
        find_runs(["."], loss="notes.txt")
    with pytest.raises(ValueError, match=r"^folder: a folder without losses"):
        find_runs(["."], loss="folder")
    with pytest.raises(FileNotFoundError, match=r"^none: no such"):
        find_runs(["."], loss="none")


def test_losses_that_were_named_are_those_of_one_run(here: Path) -> None:
    write(here, {"a/samples.jsonl": SAMPLE, "b/samples.jsonl": SAMPLE, "metrics.csv": CSV})
    with pytest.raises(ValueError, match=r"^metrics\.csv: the losses of one run, but there are 2 runs"):
        find_runs(["a", "b"], loss="metrics.csv")


# What cannot be read


def test_a_folder_without_samples_is_refused_by_name(here: Path) -> None:
    write(here, {"exp/metrics.jsonl": LOSS})
    with pytest.raises(ValueError, match=r"^exp: a folder without samples; expected samples\.jsonl"):
        find_runs(["exp"])


def test_a_folder_of_what_cannot_be_read_is_refused_and_says_why(here: Path) -> None:
    write(here, {"exp/a.jsonl": "", "exp/b.jsonl": "\0\1\2"})
    with pytest.raises(ValueError, match=r"^exp: a folder without samples; .*; exp/a\.jsonl: empty$"):
        find_runs(["exp"])


def test_what_cannot_be_read_among_what_can_is_passed_over_and_noted(here: Path) -> None:
    write(
        here,
        {"exp/a.jsonl": SAMPLE, "exp/b.jsonl": "", "exp/c.csv": "a,b\n1,2\n", "exp/d.jsonl": '{"a": 1}\n'},
    )
    run = the_run("exp")
    assert [file.path for file in run.samples] == ["exp/a.jsonl"]
    assert [note.split(" (")[0] for note in run.notes] == [
        "exp/b.jsonl: empty",
        "exp/c.csv: none of the formats that are read; it begins with 'a,b'",
        "exp/d.jsonl: neither samples nor losses where it begins",
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("eval_prompts.jsonl", "prompts.json", "data/prompts.jsonl", "references.jsonl", "gold.csv"),
        *("reference_outputs.json", "sft_data.jsonl", "config.json", "test-questions.jsonl"),
        *("step_1/prompts.jsonl", "samples/prompts.jsonl", "prompts_step_1.jsonl", "ground_truth.jsonl"),
    ],
)
def test_what_is_named_after_something_else_is_left_out_beside_samples_and_noted(
    here: Path, name: str
) -> None:
    content = {".json": '[{"text": "once"}]', ".csv": "text,n\nonce,1\n", ".jsonl": '{"text": "once"}\n'}
    write(here, {name: content[Path(name).suffix]})
    assert found(".")[0][1] == [f"./{name}"]
    write(here, {"step_1.jsonl": SAMPLE})
    run = the_run(".")
    assert [file.path for file in run.samples] == ["./step_1.jsonl"]
    note = f"./{name}: skipped: its name says that it holds no samples; give the file itself to read it"
    assert run.notes == (note,)
    assert found(name)[0][1] == [name]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("prompts_and_completions.jsonl", '{"text": "once"}\n'),
        ("question_responses.jsonl", '{"text": "once"}\n'),
        ("prompts.jsonl", SAMPLE),
        ("data_step_500.jsonl", '{"text": "once"}\n'),
        ("preferences.jsonl", '{"text": "once"}\n'),
        ("results.jsonl", '{"text": "once"}\n'),
        ("prompts/a.jsonl", '{"text": "once"}\n'),
    ],
)
def test_a_word_for_samples_or_a_step_in_the_rows_makes_samples_of_what_has_any_name(
    here: Path, name: str, content: str
) -> None:
    write(here, {name: content, "step_1.jsonl": SAMPLE})
    assert {file.path for file in the_run(".").samples} == {f"./{name}", "./step_1.jsonl"}


def test_a_file_that_may_not_be_read_is_noted_by_its_name(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(here, {"exp/a.jsonl": SAMPLE, "exp/b.jsonl": SAMPLE})
    opened = storage.open_raw

    def refuse(path: str) -> BinaryIO:
        if path.endswith("b.jsonl"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return opened(path)

    monkeypatch.setattr(storage, "open_raw", refuse)
    assert the_run("exp").notes == ("exp/b.jsonl: Permission denied",)


def test_of_files_that_were_named_those_that_cannot_be_read_are_noted_if_others_can(here: Path) -> None:
    write(
        here,
        {"a.jsonl": SAMPLE, "b.jsonl": "", "readme.md": "x", "exp/samples.jsonl": SAMPLE, "none/x.md": "x"},
    )
    assert the_run("a.jsonl", "b.jsonl").notes == ("b.jsonl: empty",)
    notes = [note.split("; ")[0].split(" (")[0] for note in the_run("exp", "none", "readme.md").notes]
    assert notes == ["readme.md: none of the formats that are read", "none: a folder without samples"]
    with pytest.raises(ValueError, match=r"^b\.jsonl: empty"):
        find_runs(["b.jsonl", "none"])


def test_a_file_whose_package_is_missing_is_noted_with_the_extra_it_needs(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    write(here, {"exp/a.jsonl": SAMPLE, "exp/b.parquet": "PAR1....PAR1", "exp/zstd.jsonl": ""})
    (here / "exp/zstd.jsonl").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(9))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    zstd, parquet = the_run("exp").notes
    assert zstd.endswith(needs("zstandard", "zstd"))
    assert parquet.endswith(needs("pyarrow", "parquet"))


def test_a_format_that_was_named_is_taken_for_granted(here: Path) -> None:
    write(here, {"poem": "Once upon\n", "exp/poem": "Once upon\n", "exp/a.jsonl": SAMPLE})
    with pytest.raises(ValueError, match=r"^poem: none of the formats"):
        find_runs(["poem"])
    assert the_run("poem", format="numbered").samples[0].format == "numbered"
    assert [file.path for file in the_run("exp", format="numbered").samples] == ["exp/poem"]
    with pytest.raises(ValueError, match=r"^format 'paper'; expected one of .*jsonl"):
        find_runs(["poem"], format="paper")


def test_runs_are_found_and_read_end_to_end(here: Path) -> None:
    rows = [{"step": step, "text": f"text {step}"} for step in range(5)]
    write(
        here, {"exp/samples.jsonl": "".join(json.dumps(row) + "\n" for row in rows), "exp/metrics.csv": CSV}
    )
    run = the_run("exp")
    problems = Problems()
    texts = [s.text for f in run.samples for s in samples_in(Piece(Part(f.path), f.format), problems)]
    losses = [r.loss for f in run.losses for r in losses_in(Piece(Part(f.path), f.format), problems)]
    assert (texts, losses, problems.count) == ([f"text {step}" for step in range(5)], [2.5], 0)
