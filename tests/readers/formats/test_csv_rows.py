"""CSV: samples of several lines in quotes, and losses as Lightning and Keras log them."""

import csv
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coherence.readers.formats import csv_rows
from coherence.readers.lines import LONGEST_LINE, Part, Problems, read_head
from coherence.readers.read import Piece, losses_in
from coherence.readers.recognise import format_of
from coherence.readers.records import LossRow, Sample


def samples_of(path: Path, content: bytes | str) -> tuple[list[Sample], Problems]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    problems = Problems()
    return list(csv_rows.samples(Part(str(path)), problems)), problems


def losses_of(path: Path, content: bytes | str) -> tuple[list[LossRow], Problems]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    problems = Problems()
    return list(csv_rows.losses(Part(str(path)), problems)), problems


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "samples.csv"


def test_a_cell_that_lists_several_texts_holds_a_sample_each(file: Path) -> None:
    rows = [["step", "prompt", "completions"], ["5", "Why?", "['So.', \"It's late.\"]"], ["6", "Why?", "So."]]
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(rows)
    assert csv_rows.recognise(read_head(str(file)))
    found = list(csv_rows.samples(Part(str(file)), Problems()))
    assert [(each.step, each.text) for each in found] == [(5, "So."), (5, "It's late."), (6, "So.")]
    assert {each.prompt for each in found} == {"Why?"}


# What the file is


@pytest.mark.parametrize(
    "content",
    [
        "step,text\n",
        "\ufeffstep,text\n1,a\n",
        '"step","prompt","completion"\r\n',
        "step\ttext\n1\ta, b\n",
        "step;text\n",
        "text\nonce\n",
        ",global_step,output\n0,1,a\n",
        "epoch,loss,val_loss\n",
        "epoch,lr,step,train_loss_step\n",
    ],
)
def test_csv_is_known_by_the_names_of_its_columns(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8")
    assert csv_rows.recognise(read_head(str(file)))


@pytest.mark.parametrize(
    "content",
    [
        "epoch,accuracy\n0,0.5\n",
        "loss,val_loss\n2.0,2.1\n",
        "loss\n2.0\n",
        "a text, of words\n",
        '{"step": 1}\n',
        "x" * 99,
    ],
)
def test_what_names_neither_texts_nor_losses_with_steps_is_no_csv_of_ours(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8")
    assert not csv_rows.recognise(read_head(str(file)))


def test_a_text_that_begins_with_the_word_text_is_no_csv(tmp_path: Path) -> None:
    (tmp_path / "sample.txt").write_text("text\nonce\n", encoding="utf-8")
    assert not csv_rows.recognise(read_head(str(tmp_path / "sample.txt")))


# Samples


def test_a_cell_in_quotes_may_go_over_several_lines_and_its_row_is_where_it_begins(file: Path) -> None:
    content = 'step,prompt,text\n1,p,"a ""cat"",\n\nand"\n\n2,"q\nr",b\n'
    samples, problems = samples_of(file, content)
    assert [(s.step, s.prompt, s.text, s.line) for s in samples] == [
        (1, "p", 'a "cat",\n\nand', 2),
        (2, "q\nr", "b", 6),
    ]
    assert problems.count == 0


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_the_delimiter_is_the_one_of_the_first_line(file: Path, delimiter: str) -> None:
    samples, _ = samples_of(file, f'step{delimiter}text\n1{delimiter}"a, b; c\td"\n')
    assert [(sample.step, sample.text) for sample in samples] == [(1, "a, b; c\td")]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), max_size=20)))
def test_whatever_the_csv_module_writes_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    file = tmp_path_factory.mktemp("csv") / "samples.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["step", "text"])
        writer.writerows(enumerate(texts))
    problems = Problems()
    samples = list(csv_rows.samples(Part(str(file)), problems))
    assert [(sample.step, sample.text) for sample in samples] == list(enumerate(texts))
    assert problems.count == 0


def test_a_blank_text_is_an_empty_sample_and_other_blank_cells_are_absent(file: Path) -> None:
    samples, problems = samples_of(file, "step,prompt,text,loss\n1,,,\n2,p,  ,2.5\n")
    assert [(s.step, s.prompt, s.text, s.loss) for s in samples] == [(1, None, "", None), (2, "p", "  ", 2.5)]
    assert problems.count == 0


def test_a_text_of_a_megabyte_is_one_cell(file: Path) -> None:
    (sample,), problems = samples_of(file, "step,text\n1," + "word " * 200_000 + "\n")
    assert (len(sample.text), problems.count) == (10**6, 0)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("x,a", "step 'x' is not a whole number"),
        ("5", "no text: the keys are"),
        (",a", "no step, but earlier rows have one"),
        ("5,a,b", "3 cells, but 2 columns have a name"),
        ('5,"a" b', "not CSV, to the end of line 3: "),
    ],
)
def test_a_bad_row_is_one_problem_and_the_others_are_read(file: Path, bad: str, message: str) -> None:
    samples, problems = samples_of(file, f"step,text\n1,a\n{bad}\n6,b\n".replace("\n1,a\n", '\n1,"a"\n'))
    assert [(sample.step, sample.line) for sample in samples] == [(1, 2), (6, 4)]
    assert [problem.line for problem in problems.listed] == [3]
    assert problems.listed[0].message.startswith(message)


def test_what_is_no_utf8_in_a_cell_is_replaced_and_noted(file: Path) -> None:
    samples, problems = samples_of(file, b'step,text\n1,"a\n\xffb"\n2,c\n')
    assert [sample.text for sample in samples] == ["a\n\ufffdb", "c"]
    assert [problem.line for problem in problems.listed] == [3]


def test_a_quote_that_is_not_closed_is_a_problem_that_says_how_far_it_goes(file: Path) -> None:
    samples, problems = samples_of(file, 'step,text\n1,a\n2,"b\n3,c\n4,d\n')
    assert [sample.step for sample in samples] == [1]
    assert [(p.line, p.message[:30]) for p in problems.listed] == [(3, "not CSV, to the end of line 5:")]


def test_after_a_cell_of_more_than_16_mb_the_rows_are_read_again(file: Path) -> None:
    with file.open("w", encoding="utf-8") as out:
        out.write('step,text\n1,a\n2,"')
        for _ in range(LONGEST_LINE // 100_000 + 1):
            out.write("x" * 99_999 + "\n")
        out.write("\n3,c\n")
    problems = Problems()
    steps = [sample.step for sample in csv_rows.samples(Part(str(file)), problems)]
    assert (steps[0], steps[-1]) == (1, 3)
    assert problems.listed[0].line == 3


# Losses

LIGHTNING = """\
epoch,lr,step,train_loss,val_loss
0,,9,3.5,
0,0.001,9,,
0,,9,,3.6
1,,19,2.5,

1,,19,,2.7
"""


def test_the_csv_of_lightning_keeps_training_and_validation_apart(file: Path) -> None:
    losses, problems = losses_of(file, LIGHTNING)
    assert [(row.step, row.loss, row.line) for row in losses] == [(9, 3.5, 2), (19, 2.5, 5)]
    assert problems.count == 0


def test_the_csv_of_keras_counts_in_epochs(file: Path) -> None:
    losses, _ = losses_of(file, "epoch,accuracy,loss,val_loss\r\n0,0.1,3.5,3.6\r\n1,0.2,nan,3.1\r\n")
    assert [row.step for row in losses] == [0, 1]
    assert losses[0].loss == 3.5
    assert math.isnan(losses[1].loss)


def test_a_blank_cell_gives_way_to_the_next_name(file: Path) -> None:
    losses, _ = losses_of(file, "step,loss,train_loss\n1,,2.5\n2,2.4,\n")
    assert [(row.step, row.loss) for row in losses] == [(1, 2.5), (2, 2.4)]


@pytest.mark.parametrize("bad", ["5,much", "x,2.0", ",2.0", "5,2.0,7"])
def test_a_bad_row_of_losses_is_one_problem_and_the_others_are_read(file: Path, bad: str) -> None:
    losses, problems = losses_of(file, f"step,loss\n1,3.0\n{bad}\n6,2.0\n")
    assert [(row.step, row.line) for row in losses] == [(1, 2), (6, 4)]
    assert [problem.line for problem in problems.listed] == [3]


# Exports


def exported(path: Path, content: str) -> tuple[str, list[tuple[int, float, str | None]]]:
    path.write_text(content)
    problems = Problems()
    found = list(losses_in(Piece(Part(str(path)), "csv_rows"), problems))
    assert problems.count == 0
    return format_of(str(path)).key, [(row.step, row.loss, row.run) for row in found]


EXPORT = "Wall time,Step,Value\n1700000000.1,10,4.25\n1700000001.1,20,4.0\n"


@pytest.mark.parametrize(
    "tag", ["loss", "train_loss", "loss_train", "training_loss", "epoch_loss", "lm_loss"]
)
@pytest.mark.parametrize("copy", ["", " (1)"])
def test_the_tag_of_a_training_loss_in_the_name_of_tensorboards_export_tells_what_it_holds(
    tmp_path: Path, tag: str, copy: str
) -> None:
    found = exported(tmp_path / f"run-exp7-tag-{tag}{copy}.csv", EXPORT)
    assert found == ("csv_rows", [(10, 4.25, None), (20, 4.0, None)])


@pytest.mark.parametrize("name", ["run-exp7-tag-eval_loss.csv", "run-exp7-tag-lr.csv", "values.csv"])
def test_another_tag_or_none_is_no_training_loss(tmp_path: Path, name: str) -> None:
    assert exported(tmp_path / name, EXPORT) == ("csv_rows", [])


def test_a_chart_that_wandb_exports_holds_the_losses_of_its_run(tmp_path: Path) -> None:
    names = '"Step","exp7 - train/loss","exp7 - train/loss__MIN","exp7 - train/loss__MAX"\n'
    found = exported(
        tmp_path / "wandb_export.csv", f'{names}"10","4.25","4.25","4.25"\n"20","4.0","4.0","4.0"\n'
    )
    assert found == ("csv_rows", [(10, 4.25, None), (20, 4.0, None)])


def test_a_chart_of_several_runs_names_the_run_of_each_loss(tmp_path: Path) -> None:
    content = '"Step","a - loss","b - loss","b - loss__MIN"\n"10","4.25","","",\n"20","4.0","3.5","3.5"\n'
    found = exported(tmp_path / "chart.csv", content.replace('"",\n', '""\n'))[1]
    assert sorted(found, key=str) == [(10, 4.25, "a"), (20, 3.5, "b"), (20, 4.0, "a")]


@pytest.mark.parametrize(
    ("content", "right"),
    [
        (",_step,_runtime,train/loss\n0,0,7.3,\n1,10,8.3,4.25\n", [(10, 4.25)]),  # wandb's history
        ("epoch,accuracy,loss,val_loss\n0,0.5,4.25,4.5\n1,0.6,4.0,4.25\n", [(0, 4.25), (1, 4.0)]),  # Keras
        ("step\tloss\n10\t4.25\n20\t4.0\n", [(10, 4.25), (20, 4.0)]),  # DVCLive
        ("Step,Training Loss,Validation Loss\n10,No log,4.5\n20,4.25,4.0\n", [(20, 4.25)]),  # the Trainer
    ],
)
def test_tables_of_losses_under_other_names_are_read(
    tmp_path: Path, content: str, right: list[tuple[int, float]]
) -> None:
    key, found = exported(tmp_path / "table.csv", content)
    assert (key, [(step, loss) for step, loss, _ in found]) == ("csv_rows", right)
