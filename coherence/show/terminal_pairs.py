"""Before and now: a text of the snapshot and one of the worst samples, for a person at a terminal."""

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from coherence.check.texts import BeforeAndNow
from coherence.scoring.scores import mean_of
from coherence.show.check_words import where
from coherence.show.console import as_line, marked
from coherence.show.page.marks import excerpt

SHOWN, SHOWN_PROMPT = 280, 120
"""Characters of a text, and of a prompt."""


def show_pair(pair: BeforeAndNow, console: Console) -> None:
    """Print a text from before above one of now, with what is repeated underlined, or in brackets.

    Args:
        pair: what is shown.
        console: where colours cannot be seen, brackets mark what is repeated.
    """
    console.print(Text(f"Before and now ({pair.why})", style="bold"))
    before, now = pair.before, pair.now
    sides = [
        ("before", before.prompt, f"mean score {before.mean:.0f}", excerpt(before.text, None, SHOWN)),
        ("now", now.prompt, _told(pair), excerpt(now.text, now.prompt, SHOWN)),
    ]
    if pair.same_prompt and now.prompt:
        _indent(as_line(f"prompt: {_cut(now.prompt)}"), 2, console)
    for name, prompt, told, shown in sides:
        asked = f", prompt: {_cut(prompt)}" if prompt and not pair.same_prompt else ""
        _indent(as_line(f"{name}: {told}{asked}"), 2, console)
        _indent(marked(shown, console.color_system is not None), 4, console)


def _told(pair: BeforeAndNow) -> str:
    return f"mean score {mean_of(tuple(vars(pair.now.scores).values())):.0f}, {where(pair.now)}"


def _indent(text: Text, by: int, console: Console) -> None:
    console.print(Padding(text, (0, 0, 0, by)))


def _cut(prompt: str) -> str:
    return prompt[:SHOWN_PROMPT] + "…" * (len(prompt) > SHOWN_PROMPT)
