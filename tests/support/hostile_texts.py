"""Texts that are made to be slow or to break something, for the tests of hostile text and long campaigns."""

import ast
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import regex
from logged_lines import lines_of

import coherence
from coherence.escape import tamed
from coherence.readers import prompts
from coherence.readers.formats import json_array, notebook, numbered
from coherence.readers.formats.logs import diversity as log_diversity
from coherence.readers.formats.logs import entries as log_entries
from coherence.readers.formats.logs import prefix as log_prefix
from coherence.readers.formats.logs import reader as logs
from coherence.readers.formats.logs import samples as log_samples
from coherence.readers.formats.logs import shapes as log_shapes
from coherence.readers.lines import Problems
from coherence.scoring.scores import score
from coherence.scoring.text import answer, clean, locate, tokenize

# Text that the patterns of the package look for, whole and broken.
FRAGMENTS = (
    *(
        "<|",
        "|>",
        "<|im_end|>",
        "<|im_end",
        "<s>",
        "</s",
        "[PAD]",
        "[PAD",
        "<start_of_turn>",
        "<|<|",
        "> ",
        "< ",
    ),
    *("'", "’", "-", "\n", "\r", "\x1b[", "\x1b[31m", " ", "\t", "\x00", "\x85", "\u2028", "\ufeff"),
    *(
        "step ",
        "step 7",
        "iter 9: ",
        "loss 2.5",
        "loss: nan",
        "val loss 1e",
        "norm 0.1",
        "1",
        "1" * 40,
        "1.",
        "/",
    ),
    *(
        " 50%|",
        "| 5/9 [",
        "{'loss': ",
        "'}",
        "iteration  7/ 9 | ",
        "| lm loss: 2.5E+00 ",
        "s:7 trl:",
        "|",
        "[",
    ),
    *("----- diversity: 0.5", "Generating text after Epoch: 1", 'Generating with seed: "'),
    *("┏━┳━┓", "│ a ┃"),
    *("rank 0 sample 1: ", "Sample 1 (step 5): ", "Sample 1 (iter", "======== SAMPLE 1 ========", "-" * 15),
    *(
        "Prompt:",
        "Completion:",
        "[GENERATED]",
        "generating:",
        "<|bos|>",
        "Generated text:",
        "=" * 30,
        "]",
        "(",
        ")",
    ),
    *(
        "a",
        "Budy ",
        "é",
        "e\u0301",
        "\u0301",
        "東",
        "か",
        "한",
        "ก็",
        "א",
        "\u202e",
        "\u200b",
        "\u200d",
        "😀",
        "İ",
        "ŉ",
    ),
    *("\ud800", "\udfff", "\ue000", "\uffff", "\U0010ffff", "\u0378", '{"text": "', '"}', "\\", '"'),
)


class Attack(NamedTuple):
    """A text that can be lengthened in its middle, and the function that reads it."""

    name: str
    read: Callable[[str], object]
    before: str
    pumped: str
    after: str = ""
    sizes: tuple[int, ...] = (4_000, 16_000, 64_000)

    def text(self, size: int) -> str:
        return self.before + self.pumped * (size // len(self.pumped)) + self.after

    def seconds(self, text: str, tries: int, enough: float) -> float:
        """The CPU of the best of several tries, which end at `enough`: other work only adds to it."""
        times: list[float] = []
        while len(times) < tries and sum(times) < enough:
            started = time.process_time()
            self.read(text)
            times.append(time.process_time() - started)
        return min(times)


IN_A_LINE = (1_000, 4_000)
"""Characters; a line of a log of more than 4,096 is not a trainer's, and is not searched."""


def read_log(text: str) -> None:
    """Read a text as a log, followed by a step."""
    lines = text.split("\n")
    reader = log_samples.LogSamples("train.log", Problems())
    for line in lines_of(enumerate([*lines, "step 5 | loss 2.5"], start=1)):
        list(reader.feed(line))


def common(text: str) -> object:
    return prompts._common(text + "!a", text + "!b")


def read_text(text: str) -> None:
    """Process a text like a score and a page; no page shows more tokens than are located here."""
    tokenize(clean(text))
    locate(answer(text), 100_000)


ATTACKS = (
    *(
        Attack(f"text of {name}", read_text, before, pumped, after)
        for name, before, pumped, after in (
            ("special tokens without an end", "", "<|a", ""),
            ("opened special tokens", "", "<|", ""),
            ("special tokens of 40 letters, nearly", "", "<|" + "a" * 41, ""),
            ("special tokens", "", "<s>", "<"),
            ("square brackets", "", "[PAD", ""),
            ("joints", "a", "'", ""),
            ("joints and letters", "", "a'", "-"),
            ("marks on one letter", "a", "\u0301", ""),
            ("digits", "", "1", "x"),
            ("letters without a space", "", "abcdefg", ""),
            ("turns of a chat", "> a\n", "< b\n> c\n", ""),
            ("blank lines", "> a\n", "\n", "<"),
            ("half pairs", "", "\ud800", ""),
            ("signs that turn the direction", "", "\u202eא", ""),
        )
    ),
    Attack("words said twice, one after the other", score, "", "a a b b ", "", (64_000, 256_000, 1_024_000)),
    Attack("a loss of many digits", log_shapes.entry_of, "step 1 | loss ", "1", "x", IN_A_LINE),
    Attack("a norm of many digits", log_shapes.entry_of, "step 1 | loss 1.0 norm ", "1", ".x", IN_A_LINE),
    Attack("a step of many digits", log_shapes.entry_of, "step ", "1", "a", IN_A_LINE),
    Attack("a step of as many", log_shapes.entry_of, "step 1/", "1", "a", IN_A_LINE),
    Attack("a value of many digits", log_shapes.entry_of, "7 train ", "1", "x", IN_A_LINE),
    Attack("prefixes", log_shapes.entry_of, "", "[a] 2020-01-01 00:00 ", "step", IN_A_LINE),
    Attack("losses", log_shapes.entry_of, "step 1 ", "aux_ ", "loss", IN_A_LINE),
    Attack("dictionaries", log_shapes.entry_of, "", "]{'a': }", "x", IN_A_LINE),
    Attack("fields of Megatron", log_shapes.entry_of, "", " iteration 1/ 2 |", "", IN_A_LINE),
    Attack(
        "validation of Megatron", log_shapes.entry_of, "validation", " loss at iteration 1 ", "", IN_A_LINE
    ),
    Attack("a bar of progress", read_log, ": " * 50, "1", ""),
    Attack("spaces before a bar", read_log, ": " * 50, " ", "%"),
    *(
        Attack(f"a line of {name}", read_log, before, pumped, after, IN_A_LINE)
        for name, before, pumped, after in (
            ("spaces behind a step", "step ", " ", ""),
            ("spaces behind a loss", "step 1 loss", " ", ""),
            ("brackets", "", "[", ""),
            ("dictionaries without an end", "", "]{'a': ", ""),
            ("an epoch of many digits", "epoch ", "1", ""),
            ("norms", "s:1 trl:1", " norm:1", ""),
            ("fields and bars", "iteration 1/ 1 |", "| a: 1 ", ""),
            ("a bar of bars", " 1%|", "|", ""),
            ("a rule and a letter", "", "=", "x"),
            ("a header of a long rule", "Sample 1", "=", "x"),
            ("colons before a bar", "", ": ", "%|"),
        )
    ),
    *(
        Attack(f"any line of {name}", log_entries.general, before, pumped, after, IN_A_LINE)
        for name, before, pumped, after in (
            ("words for losses", "step 1 ", "train_", "loss"),
            ("words for means", "step 1 ", "mean ", "loss x"),
            ("losses without a number", "step 1 ", "loss ", ""),
            ("losses in brackets", "step 1 ", "loss [", ""),
            ("steps without a number", "", "step ", "loss 1"),
            ("steps of many digits", "loss 1 step ", "1", "x"),
            ("spaces behind a step", "loss 1 step", " ", "x"),
            ("totals of many digits", "loss 1 ", "1/", " batches"),
            ("digits before batches", "loss 1 ", "1", " batches"),
            ("grad norms", "step 1 loss 1 ", "grad ", "norm"),
        )
    ),
    *(
        Attack(f"a shape of {name}", log_shapes.entry_of, before, pumped, after, IN_A_LINE)
        for name, before, pumped, after in (
            ("minimind", "Epoch:[", "1", "](1/1), loss: 1"),
            ("MAE", "Epoch: [1] ", " ", "[1/1] loss: 1"),
            ("NeMo", "Training epoch 0, iteration 1/1 |", "| global_step: 1 |", "reduced_train_loss: x"),
            ("fairseq", "epoch 1: 1 / 1 loss=1", ", num_updates=", "x"),
            ("llama2.c", "1 | loss ", "1 | ", ""),
            ("verl", "step:1 - ", "a/", ""),
            ("slime", "step 1: {'", "pg_", "loss"),
            ("a header", "[batch=", "1", "]"),
        )
    ),
    *(
        Attack(f"below a step: {name}", read_log, before, pumped, after, IN_A_LINE)
        for name, before, pumped, after in (
            ("spaces", "[batch=1/2]:\n", " ", "x"),
            ("figures", "[batch=1/2]:\n\t", "a/b: ", "x"),
            ("bars of Keras", "Epoch 1/2\n1/2 ", "\u2501 ", "loss: 1"),
            ("values of Keras", "Epoch 1/2\n2/2 - 1s - ", "loss: ", "1"),
            ("rules round an epoch", "", "-", "Epoch 1x"),
            ("bars with losses", " 1%|a| 1/2 [", "loss=", "]"),
        )
    ),
    Attack("escapes", lambda text: log_prefix._ESCAPE.sub("", text), "", "\x1b[1", ""),
    Attack("a sample of many digits", read_log, "sample 1 (iter", "1", ""),
    Attack("a header of many digits", read_log, "sample 1", "1", "x"),
    Attack("a header of rules", read_log, "", "=", "sample"),
    Attack("a heading of rules", read_log, "", "=", "step 1"),
    Attack("a label of digits", read_log, "Prompt ", "1", ""),
    Attack("a header of one step", numbered._HEADER.fullmatch, "====SAMPLE 1", "=", "x"),
    Attack("a beginning that is shared", common, "", "a"),
    *(
        Attack(f"{name} of Keras's callback", log_diversity.mark_of, before, pumped, after)
        for name, before, pumped, after in (
            ("rules", "", "-", "x"),
            ("rules and spaces", "", "- ", "x"),
            ("a rule behind a diversity", "--- diversity: 0.5", "-", "x"),
            ("an epoch", "generating text after epoch", "1", "x"),
            ("a seed", 'generating with seed: "', '"', ""),
        )
    ),
    Attack("a bar before a mark", log_diversity.unglued, "1 enerat", "=", "x"),
    Attack("marks behind a bar", log_diversity.unglued, "1", "== generating text ", ""),
    Attack("seeds", lambda text: log_diversity.split_seed(['"'], text.split("\n")), "", 'a"\n'),
    *(
        Attack(f"a text of {name}", read_log, "step 1 | loss 2\nSample 1: once\n", pumped, after)
        for name, pumped, after in (
            ("headings", "=== a ===\n", ""),
            ("a heading of a rule", "=", "a"),
            ("words between rules", "= a ", "==="),
            ("fences", "```\n", ""),
            ("files that warn", "a/", ".py:1: Warning"),
            ("numbers that warn", ":1", ": Warning: "),
            ("dates", "2026-01-02 10:00:00 ", ""),
            ("launchers", "[rank0]: ", ""),
            ("levels", "INFO:a", ""),
            ("saving", "saving the ", ""),
        )
    ),
    *(
        Attack(f"a table of {name}", read_log, "┏━┳━┓\n┃prompt┃text┃\n┡━╇━┩\n", pumped, after)
        for name, pumped, after in (
            ("cells", "│", ""),
            ("lines", "│a│b│\n", ""),
            ("rows", "│a│b│\n├─┼─┤\n", ""),
            ("a frame", "╭─ ", "x"),
            ("a rule", "├─", "x"),
            ("tops", "┏━┳━┓\n", ""),
        )
    ),
    *(
        Attack(f"a notebook's table of {name}", lambda text: list(notebook.losses_in(text)), before, pumped)
        for name, before, pumped in (
            ("tags without an end", "<table>", "<td"),
            ("tags", "<table>", "<td>"),
            ("quotes", "<table>", "<a b='"),
            ("comments", "<table>", "<!--"),
            ("tables", "", "<table>"),
            ("rows", "<table><tr><th>step</th><th>loss</th></tr>", "<tr><td>1</td><td>2</td></tr>"),
        )
    ),
    Attack("strings in JSON", lambda text: json_array._BRACKET.match(text.encode()), "", '"a"'),
    Attack("backslashes in JSON", lambda text: json_array._BRACKET.match(text.encode()), '"', "\\\\"),
    Attack("names in JSON", lambda text: json_array._INNER_ARRAY.search(text), "", '"  :  [ '),
    Attack("blank lines before a command of GitHub's", tamed, "", "\n", "x"),
    Attack("one step of a file", logs._ONE_STEP.fullmatch, "", "=", "x"),
)


# --- Every pattern ----------------------------------------------------------------------------------------

METHODS = ("match", "fullmatch", "search", "findall", "sub", "split")


class Use(NamedTuple):
    """A pattern of the package and how it is used there."""

    name: str
    pattern: Any
    method: str

    def read(self, text: str) -> object:
        subject: Any = text.encode(errors="replace") if isinstance(self.pattern.pattern, bytes) else text
        call = getattr(self.pattern, self.method)
        return call(subject[:0], subject) if self.method == "sub" else call(subject)


def uses() -> list[Use]:
    """Return every use of a pattern in the package, except if it needs a library that is not installed."""
    found: dict[Use, None] = {}
    folder = Path(coherence.__path__[0])
    for path in sorted(folder.rglob("*.py")):
        source = path.read_text("utf-8")
        if not re.search(r"(?m)^import (?:re|regex)$", source):
            continue
        name = ".".join(path.relative_to(folder.parent).with_suffix("").parts)
        with suppress(ImportError):
            found |= dict.fromkeys(_uses_in(import_module(name), source))
    return list(found)


def _uses_in(module: ModuleType, source: str) -> Iterator[Use]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(ast.Attribute(ast.Name("re"), method), [ast.Constant(str(value)), *_], lineno=line):
                pattern: Any = re.compile(value)
            case ast.Call(ast.Attribute(ast.Name(owner), method), lineno=line):
                pattern = getattr(module, owner, None)
            case _:
                continue
        if method in METHODS and isinstance(pattern, re.Pattern | regex.Pattern):
            yield Use(f"{module.__name__}:{line}", pattern, method)


def pieces(use: Use) -> Iterable[str]:
    """Return texts that the patterns look for, and parts of this pattern."""
    return dict.fromkeys((*FRAGMENTS, *re.findall(r"[A-Za-z]{2,}|[^\w\s]", str(use.pattern.pattern))))


def goes_over_again(use: Use, before: str, piece: str, size: int = 4_000) -> bool:
    """Tell whether a pattern takes four times as long for twice as many copies of a piece."""

    def seconds(size: int) -> float:
        text = before + (piece * (size // len(piece) + 1))[:size]
        started = time.process_time()
        use.read(text)
        return time.process_time() - started

    # Less than a quarter of a nanosecond for each pair of characters is not quadratic time.
    least = size**2 * 2.5e-10
    return all(
        seconds(size) >= least and seconds(2 * size) >= 3 * max(seconds(size), least) for _ in range(3)
    )
