"""Endless English sentences in the word order of English, for the healthy samples of tests."""

from random import Random

NOUNS = [
    "teacher",
    "farmer",
    "sailor",
    "doctor",
    "painter",
    "child",
    "neighbour",
    "soldier",
    "baker",
    "singer",
    "river",
    "garden",
    "bridge",
    "letter",
    "window",
    "lamp",
    "table",
    "boat",
    "horse",
    "market",
    "kitchen",
    "station",
    "island",
    "mountain",
    "forest",
    "mirror",
    "candle",
    "engine",
    "basket",
    "village",
]
ADJECTIVES = [
    "old",
    "quiet",
    "yellow",
    "heavy",
    "broken",
    "distant",
    "narrow",
    "silver",
    "early",
    "patient",
    "curious",
    "empty",
    "warm",
    "tired",
]
VERBS = [
    "carried",
    "painted",
    "followed",
    "noticed",
    "borrowed",
    "repaired",
    "forgot",
    "described",
    "watched",
    "opened",
    "crossed",
    "sold",
]
ENDS = (
    "before the rain came",
    "and nobody asked why",
    "because it was getting late",
    "when the bells began to ring",
    "as her father had done for years",
    "while the others were still asleep",
    "so that it would be there in the morning",
    "although they had been told to wait",
)
FRAMES = (
    "The {a} {n} {v} the {m} {e}.",
    "After supper she {v} a {a} {n} near the {m}.",
    "He had never seen the {n} that the {m} {v} {e}.",
    "Every {n} in the {m} was {a}, but they {v} it {e}.",
    "It was the {a} {m} which the {n} {v} first.",
    "With the {n} in one hand, they {v} every {a} {m} of the town.",
)


def prose(words: int, seed: object = 0) -> str:
    """Return that many words, the same for the same seed."""
    random = Random(f"prose {seed}")  # noqa: S311 - it draws words, not secrets
    said: list[str] = []
    while len(said) < words:
        noun, other = random.sample(NOUNS, 2)
        frame = random.choice(FRAMES)
        said += frame.format(
            a=random.choice(ADJECTIVES), n=noun, m=other, v=random.choice(VERBS), e=random.choice(ENDS)
        ).split()
    return " ".join(said[:words])
