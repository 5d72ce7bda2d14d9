"""What a person has set for `audit` and `check` without an option. Source: docs/settings.md."""

from argparse import Namespace

from coherence.signals.project import KEYS, find_settings


def settle(options: Namespace) -> None:
    """Put what environment variables and the project set where no option was given.

    What was put there is also noted, by its key, in `options.given`.

    Raises:
        OSError: a `pyproject.toml` cannot be read.
        ValueError: a variable or a `pyproject.toml` sets what is not a setting, or a value it cannot have.
    """
    found = find_settings()
    options.given = {key: found[key] for key in keys_of(options) if key in found and is_open(options, key)}
    for key, given in options.given.items():
        setattr(options, attribute(key), given.value)


def keys_of(options: Namespace) -> list[str]:
    """Return the settings that a command has."""
    return [key for key in KEYS if hasattr(options, attribute(key))]


def is_open(options: Namespace, key: str) -> bool:
    """Tell whether a setting has no value yet."""
    return getattr(options, attribute(key)) is None


def attribute(key: str) -> str:
    """Return the name under which the options hold a setting.

    >>> attribute("prompt-field")
    'prompt_field'
    """
    return key.replace("-", "_")
