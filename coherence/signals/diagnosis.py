"""The diagnosis of the two signals together: the direction of the loss and the state of the samples.

It is a table. To change the action for a pair of signals, change its cell in `ACTIONS`. Its sentence consists
of what the loss does, what the samples do (`SHARE_DOES` if their number is known, else `SAMPLES_DO`), and an
advice: that of the pair in `WORDS`, else of the loss in `LOSS_WORDS`, else of the samples in `SAMPLES_WORDS`.
"""

from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from coherence.signals.loss import Trend

SamplesState: TypeAlias = Literal[
    "collapsed",
    "empty",
    "one word",
    "words gone",
    "word salad",
    "alike",
    "weaker",
    "some low",
    "templated",
    "too short",
    "not loops",
    "reads well",
]
Action: TypeAlias = Literal["continue", "watch", "pivot", "halt"]
Words: TypeAlias = tuple[str, str]
"""The name of a diagnosis, and the advice at the end of its sentence."""

SAMPLES: Final[tuple[SamplesState, ...]] = get_args(SamplesState)
GOOD: Final = ("not loops", "reads well")
GO: Final = "continue"
WATCH: Final = "watch"
PIVOT: Final = "pivot"
HALT: Final = "halt"

# fmt: off
ACTIONS: Final[dict[Trend | None, tuple[Action, ...]]] = {
    #                       collapsed   one word      word salad    weaker        templated     not loops
    # loss \ samples              empty        words gone    alike         some low      too short  reads well
    "early":               (HALT, HALT, WATCH, WATCH, GO,    WATCH, WATCH, GO,    GO,    GO,    GO,    GO),
    "too few losses":      (HALT, HALT, WATCH, WATCH, WATCH, WATCH, WATCH, WATCH, WATCH, WATCH, GO,    GO),
    "converging":          (HALT, HALT, WATCH, PIVOT, WATCH, PIVOT, PIVOT, WATCH, WATCH, WATCH, GO,    GO),
    "plateau":             (HALT, HALT, PIVOT, PIVOT, PIVOT, PIVOT, PIVOT, WATCH, WATCH, WATCH, PIVOT, PIVOT),
    "diverging":           (HALT, HALT, PIVOT, HALT,  PIVOT, PIVOT, PIVOT, WATCH, PIVOT, PIVOT, PIVOT, PIVOT),
    "collapsed":           (HALT, HALT, PIVOT, HALT,  PIVOT, PIVOT, PIVOT, WATCH, PIVOT, PIVOT, PIVOT, PIVOT),
    "too good to be true": (HALT, HALT, WATCH, PIVOT, PIVOT, PIVOT, PIVOT, PIVOT, WATCH, WATCH, PIVOT, WATCH),
    "exactly zero":        (HALT, HALT, WATCH, WATCH, WATCH, WATCH, WATCH, WATCH, WATCH, WATCH, WATCH, WATCH),
    "not a cross-entropy": (HALT, HALT, WATCH, WATCH, WATCH, WATCH, WATCH, WATCH, WATCH, WATCH, GO,    GO),
    "not finite":          (HALT, HALT, HALT,  HALT,  HALT,  HALT,  HALT,  HALT,  HALT,  HALT,  HALT,  HALT),
    None:                  (HALT, HALT, WATCH, WATCH, WATCH, WATCH, WATCH, WATCH, WATCH, WATCH, GO,    GO),
}
# fmt: on

LOSS_DOES: Final[dict[Trend | None, tuple[str, str, str]]] = {
    # what the loss does, and the conjunction before good samples and before other samples
    "early": ("The loss is near the uniform baseline", " and", " and"),
    "too few losses": ("There are too few losses to tell where the loss is heading", " and", " and"),
    "converging": ("The loss falls", " and", " but"),
    "plateau": ("The loss no longer falls", " though", " and"),
    "diverging": ("The loss rises", " though", " and"),
    "collapsed": ("The loss is a nat or more above its minimum", " though", " and"),
    "too good to be true": ("The loss is lower than any text of this kind allows", " and", " and"),
    "exactly zero": ("The loss is exactly 0", " though", " and"),
    "not a cross-entropy": (
        "This loss is not a cross-entropy (it is below 0, starts near 0, or a reward or the like is logged "
        "with it) and is not judged",
        ";",
        ";",
    ),
    "not finite": ("The loss is not finite", " though", " and"),
    None: ("No loss was given", " and", " and"),
}
LOGGED: Final = "No loss was given, only a reward or the like, as in reinforcement learning,"
"""The sentence for `None` if a reward or the like was given."""
SAMPLES_DO: Final[dict[SamplesState, str]] = {
    "collapsed": "the samples loop",
    "empty": "the model writes nothing",
    "one word": "the last samples are all the same word",
    "words gone": "the samples hold hardly any English words",
    "word salad": "the samples are real words in no order",
    "alike": "the samples of a step are nearly the same",
    "weaker": "the samples score half of the run's best",
    "some low": "some samples loop",
    "templated": "the samples are templates, whose frame repeats while the slots are new",
    "too short": "no sample was long enough to judge",
    "not loops": "the samples do not loop",
    "reads well": "the samples read well",
}
SHARE_DOES: Final[dict[SamplesState, tuple[str, str]]] = {
    # for one sample, and for several
    "collapsed": ("loops", "loop"),
    "empty": ("is empty", "are empty"),
    "one word": ("is one word", "are all the same word"),
    "words gone": ("holds hardly any English words", "hold hardly any English words"),
    "some low": ("loops", "loop"),
    "too short": ("is too short to judge", "are too short to judge"),
    "templated": (
        "is a template, whose frame repeats while the slots are new",
        "are templates, whose frame repeats while the slots are new",
    ),
}

_YOUNG: Final = (
    "not yet coherent, perhaps merely young; give the gate a warmup and start again, or go back to the last "
    "checkpoint whose samples did not loop"
)
_LEAK: Final = "the targets leak, or the data is one document"
_CHECK: Final = "check the attention mask, the labels and the data loader"

WORDS: Final[dict[tuple[Trend | None, SamplesState], Words]] = {
    ("early", "collapsed"): ("collapsed at the start", _YOUNG),
    ("early", "empty"): (
        "silent at the start",
        "perhaps merely young; give the gate a warmup, and see whether the stop token and the key are right",
    ),
    ("early", "words gone"): ("too young for words", "see whether they come as it falls"),
    ("early", "word salad"): ("young", "that is normal there, so let it train"),
    ("early", "alike"): (
        "alike at the start",
        "see whether they part as it falls, and draw them at a temperature",
    ),
    ("early", "some low"): ("young", "low samples are normal there, so let it train"),
    ("early", "too short"): ("too young to judge", "let it train, and draw longer samples"),
    ("early", "reads well"): ("on course", "let it train"),
    ("too few losses", "collapsed"): ("collapsed before the loss could tell", _YOUNG),
    ("too few losses", "reads well"): ("a fine start", "let it train"),
    ("converging", "collapsed"): (
        "the loss is misleading",
        "it is misleading, for the model is learning the loop; stop, and go back to the last checkpoint "
        "whose samples do not loop",
    ),
    ("converging", "words gone"): (
        "learning something else",
        "look at what the data mix feeds the model now",
    ),
    ("converging", "alike"): ("variety is going", "bring variety back into the data mix or the reward"),
    ("converging", "some low"): ("some low samples", "read the next ones before you trust the loss"),
    ("converging", "too short"): (
        "too little to read",
        "draw samples of a few dozen tokens before you trust the loss",
    ),
    ("converging", "reads well"): ("healthy", "let it train"),
    ("plateau", "collapsed"): ("settled into a loop", "stop, there is nothing left to wait for"),
    ("plateau", "words gone"): ("settled without words", "change the data mix"),
    ("plateau", "alike"): (
        "settled on one answer",
        "change the data mix, the reward or the learning rate",
    ),
    ("plateau", "some low"): ("stalled with some low samples", "read the next ones"),
    ("plateau", "too short"): ("stalled and too little to read", "draw longer samples before you decide"),
    ("plateau", "not loops"): ("stalled", "change the learning rate or the data mix, or call it done"),
    ("plateau", "reads well"): (
        "nothing more to learn here",
        "change the learning rate or the data mix, or call it done",
    ),
    ("diverging", "collapsed"): ("both signals agree", "both signals say stop"),
    ("diverging", "words gone"): (
        "losing the language",
        "stop, and go back to the last checkpoint whose samples have words",
    ),
    ("diverging", "some low"): (
        "a halt is near",
        "expect a halt soon, and keep the checkpoint at the minimum of the loss",
    ),
    ("collapsed", "collapsed"): ("collapsed on both counts", "both signals say stop"),
    ("collapsed", "words gone"): ("the language is lost", "stop, the model no longer knows the language"),
    ("collapsed", "some low"): (
        "a halt is very near",
        "expect a halt within the next samples, and keep the checkpoint at the minimum of the loss",
    ),
    ("too good to be true", "collapsed"): (
        "the loss is misleading",
        f"it is misleading, for {_LEAK}; stop, and {_CHECK}",
    ),
    ("too good to be true", "one word"): (
        "too good to be true",
        f"one word may be as easy as that, or {_LEAK}; {_CHECK}",
    ),
    ("too good to be true", "templated"): (
        "too good to be true",
        f"templates may be as easy as that, or {_LEAK}; {_CHECK}",
    ),
    ("too good to be true", "reads well"): (
        "memorised",
        "the model knows its data by heart, or the samples are of the training text; look at a held-out loss",
    ),
}

LOSS_WORDS: Final[dict[Trend | None, Words]] = {
    "diverging": (
        "past the best",
        "go back to the checkpoint at the minimum of the loss, and lower the learning rate",
    ),
    "collapsed": (
        "the loss has collapsed",
        "go back to the checkpoint at the minimum of the loss, and lower the learning rate",
    ),
    "too good to be true": ("too good to be true", f"{_LEAK}; {_CHECK}"),
    "exactly zero": (
        "the loss is exactly zero",
        "see whether all labels are masked, or the trainer logs a NaN as 0",
    ),
    "not finite": (
        "the loss is not a number",
        "stop, and go back to the last checkpoint with a finite loss",
    ),
}

SAMPLES_WORDS: Final[dict[SamplesState, Words]] = {
    "collapsed": (
        "the samples have collapsed",
        "stop, and go back to the last checkpoint whose samples do not loop",
    ),
    "empty": (
        "the model writes nothing",
        "see whether the stop token and the key of the text are right; if they are, it has learned nothing",
    ),
    "one word": (
        "answers with one word",
        "that is right if the prompts ask for one word; if not, the model has learned to end the text at "
        "once, so look at the stop token, the labels and the reward",
    ),
    "words gone": ("the words are gone", "look at the data mix and at the tokenizer"),
    "word salad": ("word salad", "look at the attention mask, the positions and the order of the data"),
    "alike": (
        "the samples are alike",
        "bring variety back into the data mix or the reward, or draw at a temperature",
    ),
    "weaker": (
        "weaker than before",
        "compare them with those of the best step, and go back to it unless they recover",
    ),
    "some low": ("some low samples", "read the next ones"),
    "templated": (
        "templates",
        "they cannot be judged without a profile of such text; name one (--profile code, data or logs), or "
        "make one with coherence calibrate",
    ),
    "too short": ("too little to judge", "draw samples of a few dozen tokens"),
    "not loops": (
        "no loops",
        "no more can be said of what is not English prose",
    ),
    "reads well": ("the samples read well", "let it train"),
}

NONE_SINCE_THE_HALT: Final = "no sample was judged since the halt was acknowledged"
SINCE_THE_HALT: Final[Words] = ("not judged since the halt", "read the next samples")


class Share(NamedTuple):
    """How many of the last samples are in the named state.

    Attributes:
        number: how many samples are in the state, or, of samples that do not loop, how many are English;
            empty: how many of those hold no text.
        of: the number of last samples; 0 if none was drawn since a halt was acknowledged.
        skipped: how many of the last eight are not counted, because they were too short or templates.
    """

    number: int
    of: int
    empty: int = 0
    skipped: int = 0


class Diagnosis(NamedTuple):
    """What a trend of the loss and a state of the samples mean together, and what to do about it.

    `loss` and `samples` are the two signals. `action` is "continue", "watch", "pivot" (change the data mix,
    the learning rate or the source; perhaps go back to a checkpoint) or "halt". `name` is the diagnosis in a
    few words, `sentence` the reason, fit for a log line. Source: docs/signals.md, "Two signals".

    >>> diagnose("converging", "reads well").sentence
    'The loss falls and the samples read well: let it train.'
    """

    loss: Trend | None
    samples: SamplesState
    action: Action
    name: str
    sentence: str


def diagnose(
    loss: Trend | None, samples: SamplesState, share: Share | None = None, logged: bool = False
) -> Diagnosis:
    """Return the diagnosis for the two signals.

    It is looked up in a table of 11 loss trends, including None for no loss, and 12 states of the samples.
    `samples` is "collapsed" or "empty" when the gate halts. With a `share`, the sentence says how many
    samples it is about. `logged` is true if a reward or the like was given, but no loss.
    Raises ValueError for a word that is not in the table.
    Source: docs/signals.md, "Two signals".

    >>> diagnosis = diagnose(loss="converging", samples="collapsed")
    >>> diagnosis.action, diagnosis.name
    ('halt', 'the loss is misleading')
    >>> diagnose("converging", "some low", Share(3, 8)).sentence
    'The loss falls but 3 of the last 8 samples loop: read the next ones before you trust the loss.'
    """
    if loss not in ACTIONS:
        raise ValueError(f"loss must be one of {list(ACTIONS)!r}, not {loss!r}")
    if samples not in SAMPLES:
        raise ValueError(f"samples must be one of {list(SAMPLES)!r}, not {samples!r}")
    action = ACTIONS[loss][SAMPLES.index(samples)]
    unread = samples == "too short" and share is not None and not share.of
    of_pair = None if unread else WORDS.get((loss, samples))
    of_samples = SINCE_THE_HALT if unread else SAMPLES_WORDS[samples]
    name, advice = of_pair or LOSS_WORDS.get(loss) or of_samples
    does, with_good, with_others = LOSS_DOES[loss]
    does = LOGGED if loss is None and logged else does
    joint = with_good if samples in GOOD else with_others
    return Diagnosis(loss, samples, action, name, f"{does}{joint} {_samples_do(samples, share)}: {advice}.")


def _samples_do(samples: SamplesState, share: Share | None) -> str:
    if share is None:
        return SAMPLES_DO[samples]
    number, of, empty, skipped = share
    if samples == "not loops" and 0 < number < of:
        of_what = f"{_last(of, samples, skipped)} {'scores' if number == 1 else 'score'} as English"
        return f"{SAMPLES_DO[samples]}, but only {number} of {of_what}"
    if samples == "too short" and not of:
        return NONE_SINCE_THE_HALT
    if samples not in SHARE_DOES:
        return SAMPLES_DO[samples]
    who = f"{number} of " * (number < of) + _last(of, samples, skipped)
    if 0 < empty < number:
        return f"{who} loop or are empty"
    one, several = SHARE_DOES["empty" if empty else samples]
    return f"{who} {one if number == 1 else several}"


def _last(of: int, samples: SamplesState, skipped: int) -> str:
    """Return what the last samples are called, of which others were skipped."""
    last = "the last sample" if of == 1 else f"the last {of} samples"
    if not skipped:
        return last
    if samples in ("words gone", "not loops"):  # the others count templates
        return f"{last} that could be judged"
    return f"{last} that {'is' if of == 1 else 'are'} not too short"
