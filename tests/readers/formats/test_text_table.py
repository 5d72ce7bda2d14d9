"""Tables of losses in text: Markdown, fast.ai's and those that notebooks print."""

from pathlib import Path

import pytest

from coherence.readers.lines import Part, Problems
from coherence.readers.read import Piece, losses_in
from coherence.readers.recognise import format_of

CARD = """# tiny

It achieves a loss of 3.57 on the evaluation set.

| Training Loss | Epoch | Step  | Validation Loss |
|:-------------:|:-----:|:-----:|:---------------:|
| No log        | 1.0   | 233   | 3.6426          |
| 3.5891        | 2.0   | 466   | 3.6426          |
| 3.572         | 3.0   | 1,700 | 3.6426          |

### Framework versions

| Step | Name |
|---|---|
| 900 | 2.0 |
"""
FAST_AI = """epoch     train_loss  valid_loss  accuracy  time
0         2.512345    2.301234    0.345678  00:12
1         2.112345    2.001234    0.445678  00:12
Better model found at epoch 1
"""
PRINTED = "Step\tTraining Loss\tValidation Loss\n10\t3.5\t3.6\n20\t3.25\t3.5\n"
BOXED = "+------+------+\n| step | loss |\n+------+------+\n| 1    | 2.5  |\n| 2    | 2.25 |\n"


@pytest.mark.parametrize(
    ("content", "right"),
    [
        (CARD, [(466, 3.5891), (1700, 3.572)]),
        (FAST_AI, [(0, 2.512345), (1, 2.112345)]),
        (f"epochs done\n{PRINTED}", [(10, 3.5), (20, 3.25)]),
        (BOXED, [(1, 2.5), (2, 2.25)]),
        (f"{FAST_AI}2         1.912345    1.901234    0.545678  00:12\n", [(0, 2.512345), (1, 2.112345)]),
        ("step train_loss lr\n10 2.5 0.1\n20 2.25 0.1\n", [(10, 2.5), (20, 2.25)]),
        (FAST_AI + FAST_AI, [(0, 2.512345), (1, 2.112345)] * 2),
    ],
)
def test_the_training_losses_of_a_table_are_read(
    tmp_path: Path, content: str, right: list[tuple[int, float]]
) -> None:
    path = tmp_path / "README.md"
    path.write_text(content, encoding="utf-8")
    assert format_of(str(path)).key == "text_table"
    problems = Problems()
    found = list(losses_in(Piece(Part(str(path)), "text_table"), problems))
    assert [(row.step, row.loss) for row in found] == right
    assert problems.count == 0


@pytest.mark.parametrize(
    "content",
    [
        "| Step | Validation Loss |\n|---|---|\n| 1 | 2.5 |\n",
        "| Training Loss | Epoch | Step |\n|---|---|---|\n",
        "| Step | Loss |\n|---|---|\n| see | below |\n",
        "The loss of a step is what it costs.\n",
        "a loss | a step\n1 | 2\n",
        "A step and a loss make 2 words\n1 2 3 4 5 6 7 8\n",
    ],
)
def test_what_is_no_table_of_training_losses_is_not_taken_for_one(tmp_path: Path, content: str) -> None:
    path = tmp_path / "README.md"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="none of the formats"):
        format_of(str(path))
