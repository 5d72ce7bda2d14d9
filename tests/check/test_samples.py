"""What a check knows of each sample before it compares any."""

from checkpoints import sample
from hypothesis import example, given
from hypothesis import strategies as st

from coherence import score
from coherence.check.samples import AGAIN, score_samples
from coherence.scoring.again import said_again
from coherence.scoring.ngrams import ngrams
from coherence.scoring.profile import Profile
from coherence.scoring.scores import share_again
from coherence.scoring.text import clean, tokenize

WORDS = st.sampled_from(
    ("the", "rain", "fell", "on", "a", "quiet", "town", "7", ".", ",", "'", "été", "====", "\n")
)
PHRASES = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)
TEXTS = st.lists(st.tuples(PHRASES, st.integers(1, 6)), min_size=1, max_size=6).map(
    lambda parts: " ".join(" ".join([phrase] * times) for phrase, times in parts)
)


def exactly(text: str) -> float:
    cleaned = clean(text)
    tokens = tokenize(cleaned)
    return said_again(cleaned, tokens, len(ngrams(tokens, 3)))


@given(text=TEXTS)
def test_the_bigram_score_tells_the_share_that_is_said_again(text: str) -> None:
    bigram = score(text).bigram
    told = None if bigram is None else share_again(bigram, tokenize(clean(text)), Profile.load())
    assert told is None or abs(told - exactly(text)) < 1e-12


@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
@example(texts=["a b c d e f c d e f g g", "no " * 30, "rain fell on a town , on a town , on a town , . 7"])
@example(texts=["rain the on on on on town the on town quiet fell", "=\n" * 12, "été " * 12])
def test_a_sample_says_much_again_if_a_quarter_of_its_tokens_does(texts: list[str]) -> None:
    found = score_samples([sample(text, number) for number, text in enumerate(texts)])
    for text, scores, again in zip(texts, found.scores, found.sample_set.again.tolist(), strict=True):
        assert again is (scores.scorable and exactly(text) >= AGAIN)
