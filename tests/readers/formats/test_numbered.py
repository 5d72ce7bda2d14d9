"""One text file a step: the step from its name, several samples below headers."""

from pathlib import Path

import pytest
from cost import memory

from coherence.readers.formats import numbered
from coherence.readers.lines import LONGEST_LINE, Part, Problems, read_head
from coherence.readers.read import Piece, losses_in
from coherence.readers.records import Sample


def samples_of(
    path: Path, content: bytes | str, longest: int = LONGEST_LINE
) -> tuple[list[Sample], Problems]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    problems = Problems()
    return list(numbered.samples(Part(str(path)), problems, longest=longest)), problems


@pytest.mark.parametrize(
    ("name", "step"),
    [
        # the last number in the name
        ("samples-100", 100),
        ("samples-0000100.txt", 100),
        ("run3/out_7_1200.txt", 1200),
        ("2.txt.gz", 2),
        # beside a word for it, before any other
        ("step_500_sample_3.txt", 500),
        ("epoch=3-step=1200.txt", 1200),
        # in the name of the folder
        ("step_500/sample_3.txt", 500),
        ("samples-40/out.txt", 40),
        ("300/out.txt", 300),
        # none
        ("run7/out.txt", None),
        ("out.txt", None),
        ("samples-" + "9" * 30, None),
    ],
)
def test_the_step_is_told_by_the_name(tmp_path: Path, name: str, step: int | None) -> None:
    samples, problems = samples_of(tmp_path / "data" / name, "Once upon\n\na time.\n")
    assert [(sample.step, sample.text) for sample in samples] == [(step, "Once upon\n\na time.")]
    assert problems.count == 0


def test_below_headers_stand_several_samples_of_a_step(tmp_path: Path) -> None:
    header = "======== SAMPLE {} ========\n"
    content = f"{header.format(1)}Once\n\nupon\n\n{header.format(2)}{header.format(3)} a\n"
    samples, _ = samples_of(tmp_path / "samples-100", content)
    assert [(sample.step, sample.text, sample.line) for sample in samples] == [
        (100, "Once\n\nupon", 1),
        (100, "", 6),
        (100, " a", 7),
    ]


def test_what_is_no_utf8_is_replaced_and_noted(tmp_path: Path) -> None:
    samples, problems = samples_of(tmp_path / "samples-1", b"a\nb\xff\n")
    assert [sample.text for sample in samples] == ["a\nb\ufffd"]
    assert [problem.line for problem in problems.listed] == [2]


def test_a_sample_of_more_than_16_mb_is_a_problem_and_the_others_are_read(tmp_path: Path) -> None:
    content = b"==== SAMPLE 1 ====\n" + b"words and\n" * 11 + b"==== SAMPLE 2 ====\nb"
    samples, problems = samples_of(tmp_path / "samples-1", content, longest=100)
    assert [sample.text for sample in samples] == ["b"]
    assert [(p.line, p.message[:31]) for p in problems.listed] == [(1, "a sample of more than 16 MB, th")]


@pytest.mark.slow
def test_of_a_sample_that_is_too_long_no_more_is_held(tmp_path: Path) -> None:
    def held(lines: int) -> int:
        path = tmp_path / f"samples-{lines}"
        path.write_text("words and\n" * lines, encoding="utf-8")
        return memory(lambda: list(numbered.samples(Part(str(path)), Problems(), longest=1000)))

    assert held(80_000) < 1.5 * held(20_000)


@pytest.mark.parametrize(
    ("name", "content", "known"),
    [
        ("samples-100", b"Once", True),
        ("step_5.txt", b"Once", True),
        ("sample.100", b"Once", True),
        ("out", b"======== SAMPLE 1 ========\nOnce", True),
        # no number, and no header
        ("readme.txt", b"Once", False),
        # no text
        ("samples-100", b"\x89PNG\r\n\x1a\n\x00", False),
        ("samples-100", b"\xff\xfe\xfd" * 99, False),
        # no name of a text
        ("events.7.local", b"Once", False),
        ("config-7.yaml", b"Once", False),
    ],
)
def test_it_is_known_by_its_number_or_its_headers(
    tmp_path: Path, name: str, content: bytes, known: bool
) -> None:
    (tmp_path / name).write_bytes(content)
    assert numbered.recognise(read_head(str(tmp_path / name))) is known


def test_it_holds_no_losses(tmp_path: Path) -> None:
    assert not list(losses_in(Piece(Part(str(tmp_path / "samples-1")), "numbered"), Problems()))


@pytest.mark.parametrize(
    "begun",
    [
        "Starting job 17 on gpu-node-12\nPython 3.11.7\nGPU 0: a card\nready\n",
        "SLURM_JOB_ID=17\n+-----------+\n| NVIDIA-SMI 535.1 |\n+-----------+\nready\n",
        "Mon Mar  4 10:11:12 CET 2026\nready\n",
        "number of parameters: 124.3M\ncompiling the model...\nready\n",
        "ready\n/var/spool/slurm/job17/slurm_script: line 12: 99 Killed python train.py\n",
    ],
)
def test_the_output_of_a_job_is_not_a_sample_of_the_step_of_its_number(tmp_path: Path, begun: str) -> None:
    for content, right in (begun, False), ("Once upon a time\nthere was a mill.\n", True):
        path = tmp_path / "output_3260429.txt"
        path.write_text(content)
        assert numbered.recognise(read_head(str(path))) is right
