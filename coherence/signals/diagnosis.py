"""What the two signals say together: where the loss is heading and how the samples read.

A pure table. To change what two signals ask for, change their cell in `ACTIONS` and their text in `WORDS`.
"""

from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from coherence.signals.loss import Trend

SamplesState: TypeAlias = Literal["coherent", "some low", "collapsed", "words gone", "alike", "too short"]
Action: TypeAlias = Literal["continue", "watch", "pivot", "halt"]

SAMPLES: Final[tuple[SamplesState, ...]] = get_args(SamplesState)

# fmt: off
ACTIONS: Final[dict[Trend | None, tuple[Action, ...]]] = {
    # loss \ samples   coherent    some low    collapsed  words gone  alike    too short
    "early":          ("continue", "continue", "halt",    "watch",    "watch", "continue"),
    "too few losses": ("continue", "watch",    "halt",    "watch",    "watch", "watch"),
    "converging":     ("continue", "watch",    "halt",    "pivot",    "pivot", "watch"),
    "plateau":        ("pivot",    "watch",    "halt",    "pivot",    "pivot", "watch"),
    "diverging":      ("pivot",    "watch",    "halt",    "halt",     "pivot", "pivot"),
    "collapsed":      ("pivot",    "watch",    "halt",    "halt",     "pivot", "pivot"),
    "not finite":     ("halt",     "halt",     "halt",    "halt",     "halt",  "halt"),
    None:             ("continue", "watch",    "halt",    "watch",    "watch", "watch"),
}
# fmt: on

WORDS: Final[dict[tuple[Trend | None, SamplesState], tuple[str, str]]] = {
    # early
    ("early", "coherent"): (
        "on course",
        "The loss is still near the uniform baseline and the samples read well: let it train.",
    ),
    ("early", "some low"): (
        "young",
        "The loss is still near the uniform baseline, where loops in the samples are normal: let it train.",
    ),
    ("early", "collapsed"): (
        "collapsed at the start",
        "Every recent sample loops while the loss is still near the uniform baseline: if the model is "
        "merely young, give the gate a warmup and start again.",
    ),
    ("early", "words gone"): (
        "words gone at the start",
        "The samples have lost their English words while the loss is still near the uniform baseline: see "
        "whether they return as it falls.",
    ),
    ("early", "alike"): (
        "alike at the start",
        "The samples of a step are nearly the same while the loss is still near the uniform baseline: see "
        "whether they part, and draw them at a temperature.",
    ),
    ("early", "too short"): (
        "too young to judge",
        "The loss is still near the uniform baseline and no sample was long enough to judge: let it train, "
        "and draw longer samples.",
    ),
    # too few losses
    ("too few losses", "coherent"): (
        "a fine start",
        "The samples read well, and there are too few losses to say where the loss is heading: let it train.",
    ),
    ("too few losses", "some low"): (
        "loops at the start",
        "Some samples loop, and there are too few losses to say where the loss is heading: read the next "
        "ones.",
    ),
    ("too few losses", "collapsed"): (
        "collapsed before the loss could tell",
        "Every recent sample loops, and there are too few losses to tell whether the loss agrees: stop and "
        "go back to the last coherent checkpoint, or give the gate a warmup if the model is merely young.",
    ),
    ("too few losses", "words gone"): (
        "words gone before the loss could tell",
        "The samples have lost their English words, and there are too few losses to say where the loss is "
        "heading: see whether they return.",
    ),
    ("too few losses", "alike"): (
        "alike before the loss could tell",
        "The samples of a step are nearly the same, and there are too few losses to say where the loss is "
        "heading: draw them at a temperature, and look again.",
    ),
    ("too few losses", "too short"): (
        "too little of either",
        "No sample was long enough to judge, and there are too few losses to say where the loss is heading: "
        "draw samples of a few dozen tokens, and look again.",
    ),
    # converging
    ("converging", "coherent"): (
        "healthy",
        "The loss falls and the samples read well: let it train.",
    ),
    ("converging", "some low"): (
        "first loops",
        "The loss falls but some samples loop: read the next ones before trusting the loss.",
    ),
    ("converging", "collapsed"): (
        "the loss is misleading",
        "The loss is misleading: it still falls while every recent sample loops, so the model is learning "
        "the loop; stop and go back to the last coherent checkpoint.",
    ),
    ("converging", "words gone"): (
        "learning something else",
        "The loss falls but the samples have lost their English words: look at what the data mix feeds it "
        "now.",
    ),
    ("converging", "alike"): (
        "variety is going",
        "The loss falls but the samples of a step are nearly the same: bring variety back into the data "
        "mix or the reward.",
    ),
    ("converging", "too short"): (
        "nothing to read",
        "The loss falls but no sample was long enough to judge: draw samples of a few dozen tokens before "
        "trusting it.",
    ),
    # plateau
    ("plateau", "coherent"): (
        "nothing more to learn here",
        "The samples read well but the loss no longer falls: change the learning rate or the data mix, or "
        "call it done.",
    ),
    ("plateau", "some low"): (
        "stalled with first loops",
        "The loss no longer falls and some samples loop: a collapse may be beginning, so read the next ones.",
    ),
    ("plateau", "collapsed"): (
        "settled into a loop",
        "The loss no longer falls and every recent sample loops: stop, there is nothing left to wait for.",
    ),
    ("plateau", "words gone"): (
        "settled without words",
        "The loss no longer falls and the samples have lost their English words: change the data mix.",
    ),
    ("plateau", "alike"): (
        "settled on one answer",
        "The loss no longer falls and the samples of a step are nearly the same: change the data mix, the "
        "reward or the learning rate.",
    ),
    ("plateau", "too short"): (
        "stalled and nothing to read",
        "The loss no longer falls and no sample was long enough to judge: draw longer samples before "
        "deciding.",
    ),
    # diverging
    ("diverging", "coherent"): (
        "past the best",
        "The loss is rising though the samples still read well: go back to the checkpoint at its minimum "
        "and lower the learning rate.",
    ),
    ("diverging", "some low"): (
        "a halt is near",
        "The loss is rising and some samples loop: expect a halt soon, and keep the checkpoint at the "
        "minimum of the loss.",
    ),
    ("diverging", "collapsed"): (
        "both signals agree",
        "The loss is rising and every recent sample loops: both signals say stop.",
    ),
    ("diverging", "words gone"): (
        "losing the language",
        "The loss is rising and the samples have lost their English words: stop and go back to the last "
        "coherent checkpoint.",
    ),
    ("diverging", "alike"): (
        "losing loss and variety",
        "The loss is rising and the samples of a step are nearly the same: go back to the minimum of the "
        "loss and change the data mix or the reward.",
    ),
    ("diverging", "too short"): (
        "past the best, unread",
        "The loss is rising and no sample was long enough to judge: go back to the checkpoint at its "
        "minimum and draw longer samples.",
    ),
    # collapsed
    ("collapsed", "coherent"): (
        "the loss has collapsed",
        "The loss stands a nat or more above its minimum though the samples still read well: go back to "
        "the checkpoint at the minimum.",
    ),
    ("collapsed", "some low"): (
        "a halt is very near",
        "The loss stands a nat or more above its minimum and some samples loop: expect a halt within the "
        "next samples, and keep the checkpoint at the minimum.",
    ),
    ("collapsed", "collapsed"): (
        "collapsed on both counts",
        "The loss stands a nat or more above its minimum and every recent sample loops: both signals say "
        "stop.",
    ),
    ("collapsed", "words gone"): (
        "the language is lost",
        "The loss stands a nat or more above its minimum and the samples have lost their English words: "
        "stop, the model no longer knows the language.",
    ),
    ("collapsed", "alike"): (
        "loss and variety are lost",
        "The loss stands a nat or more above its minimum and the samples of a step are nearly the same: go "
        "back to the minimum before changing anything else.",
    ),
    ("collapsed", "too short"): (
        "the loss has collapsed, unread",
        "The loss stands a nat or more above its minimum and no sample was long enough to judge: go back to "
        "the checkpoint at the minimum.",
    ),
    # not finite
    ("not finite", "coherent"): (
        "the loss is not a number",
        "The loss is not finite though the last samples read well: stop before the weights are overwritten "
        "and go back to the last checkpoint with a finite loss.",
    ),
    ("not finite", "some low"): (
        "not a number, with loops",
        "The loss is not finite and some samples loop: stop and go back to a coherent checkpoint with a "
        "finite loss.",
    ),
    ("not finite", "collapsed"): (
        "not a number, and collapsed",
        "The loss is not finite and every recent sample loops: stop, neither signal has anything left to "
        "say.",
    ),
    ("not finite", "words gone"): (
        "not a number, and wordless",
        "The loss is not finite and the samples have lost their English words: stop, the weights are most "
        "likely ruined.",
    ),
    ("not finite", "alike"): (
        "not a number, and alike",
        "The loss is not finite and the samples of a step are nearly the same: stop and look for the step "
        "where the loss broke.",
    ),
    ("not finite", "too short"): (
        "not a number, and unread",
        "The loss is not finite and no sample was long enough to judge: stop and go back to the last "
        "checkpoint with a finite loss.",
    ),
    # no loss given
    (None, "coherent"): (
        "the samples read well",
        "The samples read well; no loss was given to compare them with.",
    ),
    (None, "some low"): (
        "some samples loop",
        "Some samples loop and no loss was given to compare them with: read the next ones.",
    ),
    (None, "collapsed"): (
        "the samples have collapsed",
        "Every recent sample loops: stop and go back to the last coherent checkpoint, whatever the loss was.",
    ),
    (None, "words gone"): (
        "the words are gone",
        "The samples have lost their English words and no loss was given: put the loss beside them before "
        "deciding.",
    ),
    (None, "alike"): (
        "the samples are alike",
        "The samples of a step are nearly the same and no loss was given: draw them at a temperature, and "
        "look again.",
    ),
    (None, "too short"): (
        "nothing to judge",
        "No sample was long enough to judge and no loss was given: draw samples of a few dozen tokens.",
    ),
}


class Diagnosis(NamedTuple):
    """What a loss trend and a state of the samples mean together, and what to do about it.

    `loss` and `samples` are the two signals. `action` is "continue", "watch", "pivot" (change the data mix,
    the learning rate or the source; perhaps go back to a checkpoint) or "halt". `name` is the diagnosis in a
    few words, `sentence` the reason, fit for a log line. Source: docs/signals.md, "Two signals".

    >>> diagnose("converging", "coherent").name
    'healthy'
    """

    loss: Trend | None
    samples: SamplesState
    action: Action
    name: str
    sentence: str


def diagnose(loss: Trend | None, samples: SamplesState) -> Diagnosis:
    """Lay the two signals side by side and say what they mean.

    A look-up in a table of 8 loss trends, one of them None for no loss given, and 6 states of the samples.
    `samples` is "collapsed" when the gate halts.
    Raises ValueError for a word that is not in the table.
    Source: docs/signals.md, "Two signals".

    >>> diagnosis = diagnose(loss="converging", samples="collapsed")
    >>> diagnosis.action, diagnosis.name
    ('halt', 'the loss is misleading')
    """
    if loss not in ACTIONS:
        raise ValueError(f"loss must be one of {list(ACTIONS)!r}, not {loss!r}")
    if samples not in SAMPLES:
        raise ValueError(f"samples must be one of {list(SAMPLES)!r}, not {samples!r}")
    action = ACTIONS[loss][SAMPLES.index(samples)]
    return Diagnosis(loss, samples, action, *WORDS[loss, samples])
