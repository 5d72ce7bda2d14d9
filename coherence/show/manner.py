"""How this process speaks to a person: quietly or not, with colours or without."""

from typing import NamedTuple


class Manner(NamedTuple):
    """How to speak to a person: only of errors, or of everything; with colours or without."""

    quiet: bool = False
    colour: bool = True


_manner = Manner()


def speak(quiet: bool = False, colour: bool = True) -> None:
    """Set how this process speaks to a person from now on.

    Args:
        quiet: only errors are said.
        colour: colours are used where there is a terminal, unless NO_COLOR is set.
    """
    global _manner
    _manner = Manner(quiet, colour)


def manner() -> Manner:
    """Return how this process speaks to a person."""
    return _manner
