"""Counting by sorting numbers gives what counting things gives, whatever the text."""

from unittest.mock import Mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coherence.scoring import ngrams as diversity
from coherence.scoring import ngrams_sorted as spectra
from coherence.scoring.text import clean, tokenize

FEW = st.sampled_from(["a", "b", "ab ", " ", ".", "é", "東", "\uffff", "\U00010000", "\ud800", "\0"])


@given(st.one_of(st.text(st.characters(codec=None, exclude_categories=[])), st.lists(FEW).map("".join)))
@example("")
@example("a")
@example("\uffff\uffff\uffff\uffff\uffff")
@example("\U00010000abc")
def test_the_spectra_are_those_of_plain_counting(text: str) -> None:
    cleaned = clean(text)
    tokens = tokenize(cleaned)
    assert spectra.spectra(cleaned, tokens) == diversity.spectra(cleaned, tokens)


def test_two_different_things_are_never_taken_for_one() -> None:
    """Every run of four out of the lowest and the highest characters, and every triple of tokens."""
    ends = "\0\x01\ufffe\uffff"
    text = "".join(a + b + c + d for a in ends for b in ends for c in ends for d in ends)
    tokens = [f"t{place * place % 61}" for place in range(3000)]
    assert spectra.spectra(text, tokens) == diversity.spectra(text, tokens)


@pytest.mark.parametrize("limit", ["widest", "most_tokens"])
def test_beyond_its_limits_it_counts_plainly(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = tokenize("the cat sat by the door")
    expected = spectra.spectra("the cat sat by the door", tokens)
    monkeypatch.setattr(diversity, "spectra", plain := Mock(wraps=diversity.spectra))
    assert spectra.spectra("the cat sat by the door", tokens, **{limit: 1}) == expected
    plain.assert_called_once()


def test_a_text_of_more_tokens_than_the_limit_but_of_fewer_kinds_is_sorted_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counted plainly, a text of many tokens takes several times as long."""
    text = "ab ba " * 50
    expected = diversity.spectra(text, text.split())
    monkeypatch.delattr(diversity, "spectra")
    assert spectra.spectra(text, text.split(), most_tokens=2) == expected
