"""The table of texts and scores in docs/scores.md is computed from the texts."""

import json
import re

import pytest
from places import ROOT

from coherence import score
from coherence.scoring import Scores

LINES = (ROOT / "fixtures" / "texts.jsonl").read_text(encoding="utf-8").splitlines()
TEXTS: dict[str, str] = {row["name"]: row["text"] for row in map(json.loads, LINES)}
PAGE = (ROOT / "docs" / "scores.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## Seven texts") : PAGE.index("## Low, fine")]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in SECTION.splitlines() if "…" in line]


def shown(scores: Scores) -> list[str]:
    """Return the four scores as the table has them."""
    return ["-" if value is None else str(int(value)) for value in scores[:4]]


def order(text: str) -> float:
    """Return how far the words of a text are in an order that English has, in nats a pair."""
    found = score(text).order
    assert found is not None
    assert found.value is not None
    return found.value


def test_the_table_has_every_text() -> None:
    assert [row[0] for row in ROWS] == list(TEXTS)


@pytest.mark.parametrize("row", ROWS, ids=list(TEXTS))
def test_a_row_shows_the_beginning_and_the_scores_of_its_text(row: list[str]) -> None:
    name, beginning, *scores, kind = row
    text = TEXTS[name]
    assert text.startswith(beginning.removesuffix("…").strip())
    assert (scores, kind) == (shown(score(text)), score(text).kind())


def test_what_is_said_below_the_table_holds() -> None:
    said = [round(float(value), 2) for value in re.findall(r"0\.\d\d", SECTION)]
    assert said == [round(order(TEXTS["fine"]), 2), round(order(TEXTS["salad"]), 2)]
    assert sorted(TEXTS["salad"].split()) == sorted(re.findall(r"[\w']+", TEXTS["fine"].lower()))
    assert TEXTS["loop"].count("Then he came back.") == 14
    assert score(TEXTS["template"], profile="data").kind() == "fine"
    assert shown(score(TEXTS["code"], profile="code")) == ["84"] * 4
