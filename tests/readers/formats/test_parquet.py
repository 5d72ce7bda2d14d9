"""Parquet tables: what TRL writes, what anybody may write, and what is none."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cost import memory
from tiny_models import tiny_model

from coherence.lazy import needs
from coherence.readers.format import USUAL, Fields
from coherence.readers.formats import parquet
from coherence.readers.lines import Part, Problems, read_head
from coherence.readers.records import LossRow, Sample

pa = pytest.importorskip("pyarrow", reason="a Parquet file is written with pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="a Parquet file is written with pyarrow")

COMPLETIONS: dict[str, Any] = {
    "step": [10, 10, 10],
    "prompt": ["The cat", "The cat", "A dog"],
    "completion": [" sat on the mat.", "", " barked at the moon."],
    "reward_length": [1.0, 0.0, 1.5],
    "advantage": [0.7, -0.7, 0.1],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "completions_00010.parquet"


def write(path: Path, columns: dict[str, Any], **options: Any) -> None:
    pq.write_table(pa.table(columns), path, **options)


def samples_of(path: Path, fields: Fields = USUAL) -> tuple[list[Sample], Problems]:
    problems = Problems()
    return list(parquet.samples(Part(str(path)), problems, fields)), problems


def losses_of(path: Path) -> tuple[list[LossRow], Problems]:
    problems = Problems()
    return list(parquet.losses(Part(str(path)), problems)), problems


def test_the_completions_of_trl_are_samples_with_their_prompts_and_rows(file: Path) -> None:
    write(file, COMPLETIONS)
    samples, problems = samples_of(file)
    assert [(s.step, s.prompt, s.text, s.line) for s in samples] == [
        (10, "The cat", " sat on the mat.", 1),
        (10, "The cat", "", 2),
        (10, "A dog", " barked at the moon.", 3),
    ]
    assert samples[0].file == str(file)
    assert problems.count == 0


def test_of_a_conversation_the_answer_is_the_text(file: Path) -> None:
    asked, told = [{"role": "user", "content": "Why?"}], [{"role": "assistant", "content": "Because."}]
    write(file, {"step": [1], "prompt": [asked], "completion": [told]})
    (sample,), problems = samples_of(file)
    assert (sample.prompt, sample.text) == ("Why?", "Because.")
    assert problems.count == 0


def test_any_table_with_the_usual_names_is_read(file: Path) -> None:
    write(
        file,
        {
            "id": [b"x"],
            "global_step": [7],
            "text": ["Once"],
            "time": [2.5],
            "run": ["a"],
            "train_loss": [3.5],
        },
    )
    (sample,), _ = samples_of(file)
    assert (sample.step, sample.text, sample.time, sample.run, sample.loss) == (7, "Once", 2.5, "a", 3.5)


def test_the_columns_beside_a_loss_tell_that_it_is_not_a_cross_entropy(file: Path) -> None:
    write(file, {"step": [1, 2], "text": ["Once", "upon"], "loss": [0.1, 0.2], "rewards/mean": [None, 0.5]})
    samples, _ = samples_of(file)
    assert [sample.beside for sample in samples] == [None, "reward"]


def test_a_table_of_calls_has_samples_without_a_column_of_text(file: Path) -> None:
    write(file, {"step": [1], "tool_calls": [[{"function": {"name": "wait", "arguments": "{}"}}]]})
    (sample,), problems = samples_of(file)
    assert (sample.text, problems.count) == ("wait {}", 0)


def test_the_prompt_may_stand_under_a_name_of_its_own(file: Path) -> None:
    write(file, {"step": [1], "text": ["Once"], "opening": ["Tell me"]})
    (sample,), _ = samples_of(file, Fields("opening"))
    assert sample.prompt == "Tell me"


@pytest.mark.parametrize("kind", ["large_string", "string_view", "dictionary"])
def test_a_text_is_a_text_however_arrow_holds_it(file: Path, kind: str) -> None:
    plain = pa.array(["Once", "upon"])
    try:
        column = plain.dictionary_encode() if kind == "dictionary" else plain.cast(getattr(pa, kind)())
        write(file, {"step": [1, 2], "text": column})
    except (AttributeError, pa.ArrowNotImplementedError):
        pytest.skip(f"pyarrow {pa.__version__} does not write {kind}")
    samples, _ = samples_of(file)
    assert [sample.text for sample in samples] == ["Once", "upon"]


def test_losses_are_read_from_any_table_and_a_nan_is_noted(file: Path) -> None:
    write(file, {"step": [1, 2, 3, 4], "loss": [3.5, None, float("nan"), 0.0], "grad_norm": [1, 1, 1, 1.0]})
    losses, problems = losses_of(file)
    assert [row.step for row in losses] == [1, 3, 4]
    assert [(p.line, p.message) for p in problems.listed] == [(3, "the loss at step 3 is not finite")]


def test_a_table_without_texts_or_losses_yields_none(file: Path) -> None:
    write(file, {"step": [1, 2], "reward": [0.5, 1.5]})
    assert samples_of(file) == ([], Problems())
    assert losses_of(file) == ([], Problems())


# Parts


def test_the_parts_are_row_groups_and_together_the_whole_file(file: Path) -> None:
    write(file, {"step": list(range(100)), "text": ["x" * 1000] * 100}, row_group_size=10, compression="none")
    with file.open("rb") as opened:
        group = pq.ParquetFile(opened).metadata.row_group(0).total_byte_size
    for size, expected in [(1, 10), (3 * group, 4), (10**9, 1)]:
        parts = parquet.parts(str(file), size)
        assert len(parts) == expected
        steps = [s.step for part in parts for s in parquet.samples(part, Problems())]
        assert steps == list(range(100))


def test_a_part_counts_its_rows_from_its_own_beginning(file: Path) -> None:
    write(file, {"step": list(range(6)), "text": ["x"] * 6}, row_group_size=2)
    samples = list(parquet.samples(Part(str(file), 1, 3), Problems()))
    assert [(sample.step, sample.line) for sample in samples] == [(2, 1), (3, 2), (4, 3), (5, 4)]
    whole, _ = samples_of(file)
    assert [sample.line for sample in whole] == [1, 2, 3, 4, 5, 6]


def test_a_table_without_rows_is_one_part_without_samples(file: Path) -> None:
    write(file, {"step": pa.array([], pa.int64()), "text": pa.array([], pa.string())})
    (part,) = parquet.parts(str(file), 1000)
    assert not list(parquet.samples(part, Problems()))


def test_a_long_row_group_is_never_held_whole(file: Path) -> None:
    def held(rows: int) -> tuple[int, int]:
        table = {"step": list(range(rows)), "text": [f"{n:010000}" for n in range(rows)]}
        write(file, table, compression="none", write_batch_size=64)
        del table
        before = pa.total_allocated_bytes()
        most = max(pa.total_allocated_bytes() for _ in parquet.samples(Part(str(file)), Problems())) - before
        return most, memory(lambda: sum(1 for _ in parquet.samples(Part(str(file)), Problems())))

    few, many = held(1000), held(4000)
    assert many[0] < 1.5 * few[0]
    assert many[1] < 1.5 * few[1]


# What is none


def test_parquet_is_known_by_its_first_bytes_or_by_its_name(tmp_path: Path) -> None:
    write(tmp_path / "table", COMPLETIONS)
    (tmp_path / "broken.parquet").write_text("no table")
    (tmp_path / "notes.txt").write_text("no table")
    known = {path.name for path in tmp_path.iterdir() if parquet.recognise(read_head(str(path)))}
    assert known == {"table", "broken.parquet"}


@pytest.mark.parametrize("end", [0, 1, 4, 12, -1, -4, -8])
def test_a_file_that_is_cut_off_is_refused_by_name(file: Path, end: int) -> None:
    write(file, COMPLETIONS)
    file.write_bytes(file.read_bytes()[:end])
    for read in (samples_of, losses_of, lambda path: parquet.parts(str(path), 1)):
        with pytest.raises(
            ValueError, match=r"completions_00010\.parquet: not Parquet, or cut off: "
        ) as caught:
            read(file)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b'{"step": 1}', b"PAR1", b"PAR1" + b"\0" * 400 + b"PAR1", b"\xff" * 4000]
)
def test_what_is_no_parquet_is_refused_by_name(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"completions_00010\.parquet: not Parquet, or cut off: "):
        samples_of(file)


def test_a_damaged_row_group_costs_its_rows_and_no_others(file: Path) -> None:
    table = {"step": list(range(30)), "text": [f"{n:0500}" for n in range(30)]}
    write(file, table, row_group_size=10, compression="snappy")
    with file.open("rb") as opened:
        second = pq.ParquetFile(opened).metadata.row_group(1).column(1)
    start = min(offset for offset in (second.dictionary_page_offset, second.data_page_offset) if offset)
    content = bytearray(file.read_bytes())
    content[start : start + second.total_compressed_size] = b"\xee" * second.total_compressed_size
    file.write_bytes(content)
    samples, problems = samples_of(file)
    assert [sample.step for sample in samples] == [*range(10), *range(20, 30)]
    assert [problem.line for problem in problems.listed] == [11]
    assert problems.listed[0].message.startswith("10 rows cannot be read: ")


def test_a_text_that_is_no_utf8_costs_its_row_and_no_others(file: Path) -> None:
    text = pa.array([b"fine", b"caf\xc3", b"good"]).view(pa.string())
    write(file, {"step": [1, 2, 3], "text": text})
    samples, problems = samples_of(file)
    assert [(sample.step, sample.text) for sample in samples] == [(1, "fine"), (3, "good")]
    assert [(p.line, p.message) for p in problems.listed] == [(2, "not UTF-8: byte 0xc3 at 3")]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"step": [1, 2, 3], "text": ["a", None, "c"]}, "no text: the keys are"),
        ({"step": [1, None, 3], "text": ["a", "b", "c"]}, "no step, but earlier rows have one"),
        ({"step": [1.0, 1.5, 3.0], "text": ["a", "b", "c"]}, "step 1.5 is not a whole number"),
    ],
)
def test_a_bad_row_is_one_problem_and_the_others_are_read(
    file: Path, columns: dict[str, Any], message: str
) -> None:
    write(file, columns)
    samples, problems = samples_of(file)
    assert [sample.text for sample in samples] == ["a", "c"]
    assert [problem.line for problem in problems.listed] == [2]
    assert problems.listed[0].message.startswith(message)


def test_texts_of_another_kind_are_problems(file: Path) -> None:
    write(file, {"step": [1], "text": [b"bytes"]})
    samples, problems = samples_of(file)
    assert not samples
    assert [p.message for p in problems.listed] == ["the text is not a string but bytes"]


def test_without_pyarrow_the_error_names_the_extra(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, COMPLETIONS)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert parquet.recognise(read_head(str(file)))
    with pytest.raises(ValueError, match=re.escape(f".parquet: parquet {needs('pyarrow', 'parquet')}")):
        samples_of(file)


def test_to_import_the_reader_does_not_import_pyarrow() -> None:
    asked = "import sys, coherence.readers.formats.parquet; print('pyarrow' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    assert answer.stdout.strip() == "False"


# TRL itself


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("chat", [False, True], ids=["text", "chat"])
def test_what_trl_writes_is_read(tmp_path: Path, chat: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    trl = pytest.importorskip("trl", reason="the completions are written by TRL")
    datasets = pytest.importorskip("datasets", reason="TRL needs datasets")
    model, tokenizer = tiny_model(chat)
    prompts = [[{"role": "user", "content": "the cat"}]] if chat else ["the cat"]
    trl.GRPOTrainer(
        model=model,
        processing_class=tokenizer,
        reward_funcs=lambda completions, **_: [float(len(str(each))) for each in completions],
        train_dataset=datasets.Dataset.from_dict({"prompt": prompts * 4}),
        args=trl.GRPOConfig(
            output_dir=str(tmp_path), max_steps=2, per_device_train_batch_size=4, num_generations=2,
            max_completion_length=8, log_completions=True, logging_steps=1, report_to=[], use_cpu=True,
            bf16=False, save_strategy="no", disable_tqdm=True, gradient_checkpointing=False,
        ),
    ).train()  # fmt: skip
    files = sorted((tmp_path / "completions").iterdir())
    assert [path.name for path in files] == ["completions_00001.parquet", "completions_00002.parquet"]
    for step, path in enumerate(files, start=1):
        assert parquet.recognise(read_head(str(path)))
        samples, problems = samples_of(path)
        assert {(sample.step, sample.prompt) for sample in samples} == {(step, "the cat")}
        assert len(samples) == 4
        assert problems.count == 0
