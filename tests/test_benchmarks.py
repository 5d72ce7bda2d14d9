"""The peers of the benchmark of detection do what their names say."""

import pytest
from order import auc
from peers import PEERS, gopher

WORDS = [f"{first}{last}" for first in "bdfgklmnprstvz" for last in ("al", "en", "ir", "os", "um")]
NEW = " ".join(WORDS[:60])
"""Sixty words, none of them twice."""

LOOP = "one two three four five six\n" * 20


@pytest.mark.parametrize("name", sorted(PEERS.keys() - {"plain"}))
def test_a_peer_calls_a_loop_low_and_new_words_not(name: str) -> None:
    assert (PEERS[name](LOOP), PEERS[name](NEW), PEERS[name]("")) == (True, False, False)


def test_plain_ratios_call_low_what_is_not_english_too() -> None:
    assert PEERS["plain"]("xq zv " * 40)
    assert not PEERS["plain"](LOOP)


def five_words_twice(letters: int) -> str:
    """A thousand letters; five words come again, the first and the last of them of so many letters."""
    five = f"{'p' * letters} ab cd ef {'q' * letters}"
    left = 1_000 - 2 * (2 * letters + 6)
    return f"{five} {'x' * (left // 2)} {five} {'y' * (left - left // 2)}"


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        # lines that were there before: 3 of 10, and 4 of 11
        ("a\n" + "\na\n".join(WORDS[:4]) + "\nbud\ndub", "a\n" + "\na\n".join(WORDS[:5]) + "\nbud"),
        # the commonest pair: 12 letters of 60, and of 58
        (f"abc def {'x' * 24} abc def {'y' * 24}", f"abc def {'x' * 23} abc def {'y' * 23}"),
        # five words that were there before: 150 letters of 1,000, and 152
        (five_words_twice(72), five_words_twice(73)),
    ],
)
def test_the_rules_of_gopher_hold_to_the_thresholds_of_the_paper(within: str, beyond: str) -> None:
    assert (gopher(within), gopher(beyond)) == (False, True)


def test_the_area_is_one_half_for_equals_and_one_where_all_lie_above() -> None:
    assert auc([1.0, 2.0], [1.0, 2.0]) == 0.5
    assert auc([3.0, 4.0], [1.0, 2.0]) == 1.0
