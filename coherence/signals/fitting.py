"""Which of the shipped profiles fit samples that the chosen profile does not fit.

Source: docs/scores.md, "Reference profile".
"""

from collections.abc import Sequence

from coherence.scoring.profile import SHIPPED, Profile
from coherence.scoring.scores import score
from coherence.signals.settings import Settings, profile_label

LOOKED_AT = 32
"""How many samples are scored again with other profiles, spread evenly over all samples."""


def fitting_profiles(texts: Sequence[tuple[str, str | None]], settings: Settings) -> dict[str, int]:
    """Return the profiles under which most texts are fine, with the number of fine texts; the best first.

    Args:
        texts: each with its prompt, if there is one.
        settings: the settings with which the texts were scored.

    >>> fitting_profiles([("id: 3, price: 21 USD, colour: red", None)], Settings())
    {'code': 1, 'data': 1, 'logs': 1}
    """
    own = profile_label(settings.profile)
    others = {name: Profile.load(name) for name in SHIPPED}
    fine = {
        name: sum(
            score(text, prompt, settings.lexicon, other).kind(settings.threshold) == "fine"
            for text, prompt in texts
        )
        for name, other in others.items()
        if profile_label(other) != own
    }
    fitting = [name for name in fine if 2 * fine[name] > len(texts)]
    return {name: fine[name] for name in sorted(fitting, key=lambda name: -fine[name])}


def fitting_note(texts: Sequence[tuple[str, str | None]], settings: Settings) -> str | None:
    """Return a sentence that names the profiles that fit; None if none does."""
    fitting = fitting_profiles(texts, settings)
    if not fitting:
        return None
    those = ", ".join(f"{fine} are fine with --profile {name}" for name, fine in fitting.items())
    own = (settings.profile or Profile.load()).name
    return (
        f"few samples are fine under the profile {own}; if the model writes another kind of text, name "
        f"its profile: of {len(texts)} samples, {those}"
    )
