"""Train a very small GPT on what comes with Python, watched by a monitor, and go wrong on demand.

    python examples/train_tiny.py --out runs/healthy
    python examples/train_tiny.py --out runs/leak --bug leak
    python examples/train_tiny.py --out runs/leak-characters --bug leak --characters

About a million parameters, five to ten minutes on a CPU core or two, nothing to download. It needs PyTorch,
which the extra ``example`` brings.

**Sources.** The help topics, the docstrings of the standard library, the licences, and code. A small bandit
draws one, stays with it for 7 to 42 steps and prefers those whose loss still falls. Half of each batch is
from it, and that half's loss is recorded. The last two sources are held back.

**The run folder** is kept by ``coherence.Monitor``: the loss of every step with its source,
samples every 50 steps, ``loss.json`` every 100, the gate's state; the script itself adds ``checkpoints/``.
The gate skips the samples of the first 5 % of the steps.

**What it does about a diagnosis.** *Halt*, or *pivot* because the loss has collapsed: stop, say why, and name
the checkpoint to go back to, for ``--resume``. *Pivot* on a plateau, if the samples read well: add a source
that was held back, restart the learning rate, and note it in the run folder. With ``--observe`` training
continues after the stop, to see what comes next.

**Mistakes**, each a real one:

- ``--bug leak`` leaves the causal mask out of the attention, in training and in generation. Every position
  can see the very token it has to predict, so the loss falls to almost nothing: the model learns to copy
  its right-hand neighbour. In generation the newest token has no right-hand neighbour, so it copies itself.
- ``--bug lr`` multiplies the learning rate by 100 from the middle of the run on.
- ``--bug one-line`` makes the data loader stick, from the middle of the run on, to one document: the shortest
  docstring. Its loss falls to almost nothing, and it is all that the model can say.

**Characters.** ``--characters`` makes every character a token, strictly speaking every byte of its UTF-8: in
this text they differ for one character in 4,600. Samples have more tokens, for about as much text; everything
else is the same. So a window holds less text, and a model that goes wrong writes letters instead of words.

What to try next: ``coherence audit runs/leak`` and ``coherence audit runs/healthy``.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import math
import platform
import re
import shlex
import sys
import sysconfig
import time
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from pydoc_data.topics import topics
from typing import TYPE_CHECKING

from coherence import Gate, HaltedRun, Monitor
from coherence.files import replace_file, whole_file
from coherence.lazy import needs

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError:
    print(f"train_tiny.py {needs('torch', 'example')}", file=sys.stderr)
    raise SystemExit(2) from None

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from coherence import Diagnosis, Verdict
    from coherence.signals.loss import SourceLoss

VOCABULARY, BYTES = 1024, 256
WIDTH, LAYERS, HEADS, CONTEXT = 128, 4, 4, 256
BATCH, LEARNING_RATE, WARMUP, WEIGHT_DECAY = 6, 3e-3, 75, 0.1
PROMPTS = ("The", "If the")
SAMPLE_TOKENS, SAMPLE_CHARACTERS = 200, 500  # about the same amount of text
TEMPERATURE, TOP_P = 1.0, 0.95
HELD_OUT = 20  # every twentieth document is kept for validation
HELD_BACK = ("licences", "code")  # the sources that pivots bring in, in this order
PATIENCE = 0.2  # of the steps: how long a pivot is given to show its effect before the next
STAY = (7, 42)  # steps that the bandit keeps a source for
FLOOR = 0.5  # share of the weight of the source that falls fastest: a source that no longer falls keeps this
GATE_WARMUP = 0.05  # of the steps: earlier samples are skipped, because the model has hardly learned anything
CHECKPOINTS = 3  # how many of the latest are kept, with the best


# --- The text ---------------------------------------------------------------------------------------------


NOTICE = re.compile(r"(?:^#.*\n){5,}", re.MULTILINE)
LEGAL = re.compile("copyright|licen[cs]e|warrant", re.IGNORECASE)


def help_topics() -> list[str]:
    """The texts of ``help("if")``, ``help("lambda")`` and so on, sorted by name."""
    return [topics[name].strip() for name in sorted(topics)]


def stdlib_files() -> list[Path]:
    """The source files of the standard library sorted by name, without tests."""
    root = Path(sysconfig.get_path("stdlib"))
    skipped = {"site-packages", "dist-packages", "test", "tests"}
    return [path for path in sorted(root.rglob("*.py")) if skipped.isdisjoint(path.parts[len(root.parts) :])]


def stdlib_docstrings() -> list[str]:
    """Every docstring of the standard library, once."""
    return list(dict.fromkeys(text for path in stdlib_files() for text in docstrings(path)))


def docstrings(path: Path) -> Iterator[str]:
    """The docstrings of one source file that are long enough to be prose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = inspect.cleandoc(ast.get_docstring(node) or "").strip()
            if len(text) >= 80:
                yield text


def licences() -> list[str]:
    """The paragraphs of Python's own licence and of the notices at the head of library files."""
    root = Path(sysconfig.get_path("stdlib"))
    texts = [
        path.read_text(encoding="utf-8")
        for path in (root / "LICENSE.txt", Path(sys.prefix, "LICENSE.txt"))
        if path.is_file()
    ]
    for path in stdlib_files():
        comments = NOTICE.findall(path.read_text(encoding="utf-8", errors="replace"))
        texts += [re.sub("(?m)^# ?", "", text) for text in comments if LEGAL.search(text)]
    return list(dict.fromkeys(part.strip() for text in texts for part in text.split("\n\n") if part.strip()))


def code() -> list[str]:
    """The top-level definitions of every tenth file of the standard library."""
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in stdlib_files()[::10]]
    return [part.strip() for text in texts for part in text.split("\n\n\n") if part.strip()]


# --- The vocabulary: byte pair encoding -------------------------------------------------------------------

Pair = tuple[int, int]
CHUNK = re.compile(r" ?[^\W\d_]+| ?\d| ?[^\w\s]+|_+|\s+(?=\s)|\s+")


def merge(ids: list[int], pair: Pair, new: int) -> list[int]:
    """The ids with every occurrence of the pair replaced by the new id."""
    merged: list[int] = []
    for token in ids:
        if merged and (merged[-1], token) == pair:
            merged[-1] = new
        else:
            merged.append(token)
    return merged


def learn_merges(texts: Iterable[str], vocabulary: int) -> dict[Pair, int]:
    """Start from the 256 bytes and join the most frequent neighbours until the vocabulary is full."""
    chunks = Counter(chunk for text in texts for chunk in CHUNK.findall(text))
    words = [list(chunk.encode()) for chunk in chunks]
    weights = list(chunks.values())
    counts: Counter[Pair] = Counter()
    found_in: defaultdict[Pair, set[int]] = defaultdict(set)

    def count(index: int, sign: int) -> None:
        for pair in pairwise(words[index]):
            counts[pair] += sign * weights[index]
            found_in[pair].add(index)

    for index in range(len(words)):
        count(index, +1)
    merges: dict[Pair, int] = {}
    for new in range(256, vocabulary):
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges[best] = new
        for index in found_in.pop(best):
            count(index, -1)
            words[index] = merge(words[index], best, new)
            count(index, +1)
    return merges


@dataclass
class Tokenizer:
    """Text to token ids and back."""

    merges: dict[Pair, int]
    known: dict[str, list[int]] = field(default_factory=dict)

    def encode(self, text: str) -> list[int]:
        """The token ids of a text."""
        return [token for chunk in CHUNK.findall(text) for token in self.encode_chunk(chunk)]

    def encode_chunk(self, chunk: str) -> list[int]:
        """The token ids of one chunk: apply the earliest learned merge until none applies."""
        if chunk not in self.known:
            ids = list(chunk.encode())
            while pairs := [pair for pair in pairwise(ids) if pair in self.merges]:
                first = min(pairs, key=self.merges.__getitem__)
                ids = merge(ids, first, self.merges[first])
            self.known[chunk] = ids
        return self.known[chunk]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids; bytes that are not UTF-8 become replacement characters."""
        pieces = {token: bytes([token]) for token in range(256)}
        for (left, right), token in self.merges.items():
            pieces[token] = pieces[left] + pieces[right]
        return b"".join(pieces[token] for token in ids).decode("utf-8", errors="replace")


# --- The model --------------------------------------------------------------------------------------------


def rotate(x: torch.Tensor) -> torch.Tensor:
    """Rotate each vector by angles that grow with its position, so that products depend on the distance."""
    length, half = x.shape[-2], x.shape[-1] // 2
    angles = torch.outer(torch.arange(length), 10_000.0 ** (-torch.arange(half) / half))
    cos, sin = angles.cos(), angles.sin()
    left, right = x[..., :half], x[..., half:]
    return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1)


class Attention(nn.Module):
    """Multi-head self-attention; ``causal`` decides whether a position may look to its right."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.inputs = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.output = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mix the positions."""
        batch, length, _ = x.shape
        heads = self.inputs(x).view(batch, length, 3, HEADS, WIDTH // HEADS)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        query, key = rotate(query), rotate(key)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        return torch.as_tensor(self.output(mixed.transpose(1, 2).reshape(batch, length, WIDTH)))


class Block(nn.Module):
    """One layer: attention, then a position-wise network, each added to its input."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(WIDTH), Attention(causal))
        self.network = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mix the positions, then work on each."""
        x = x + self.attention(x)
        return torch.as_tensor(x + self.network(x))


class GPT(nn.Module):
    """A decoder-only transformer with rotary positions and tied embeddings."""

    def __init__(self, causal: bool, vocabulary: int = VOCABULARY) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, WIDTH)
        self.blocks = nn.Sequential(*(Block(causal) for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH)
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """For every position, the logits of the next token."""
        x = self.blocks(self.tokens(tokens))
        return functional.linear(self.norm(x), self.tokens.weight)

    def loss(self, tokens: torch.Tensor) -> torch.Tensor:
        """For each row, the mean cross-entropy of each position's guess at the token that follows it."""
        logits = self(tokens)[:, :-1]
        return functional.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none").mean(1)


# --- Sampling ---------------------------------------------------------------------------------------------


def keep_top(probabilities: torch.Tensor, share: float) -> torch.Tensor:
    """Zero all but the most likely tokens that together hold the share (the first one always stays)."""
    ordered, order = probabilities.sort(descending=True)
    ordered[ordered.cumsum(-1) - ordered >= share] = 0.0
    return torch.zeros_like(probabilities).scatter(-1, order, ordered)


def complete(model: GPT, prompt: list[int], count: int, generator: torch.Generator) -> list[int]:
    """Draw `count` tokens after the prompt, one by one."""
    tokens = torch.tensor([prompt])
    with torch.no_grad():
        for _ in range(count):
            logits = model(tokens[:, -CONTEXT:])[0, -1].nan_to_num()  # a broken model still writes something
            likely = keep_top((logits / TEMPERATURE).softmax(-1), TOP_P)
            drawn = torch.multinomial(likely, 1, generator=generator)
            tokens = torch.cat([tokens, drawn[None]], dim=1)
    return [int(token) for token in tokens[0, len(prompt) :]]


# --- The data ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Data:
    """One row of tokens for each source, one of held-out documents, one that repeats a document for ever."""

    training: dict[str, torch.Tensor]
    held_out: torch.Tensor
    stuck: torch.Tensor


def windows(row: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """`count` windows of the row."""
    starts = torch.randint(len(row) - CONTEXT, (count, 1), generator=generator)
    return row[starts + torch.arange(CONTEXT)]


def prepare(vocabulary: int) -> tuple[Tokenizer, Data]:
    """Collect the text, learn a vocabulary of `vocabulary` tokens and encode."""
    prose = stdlib_docstrings()
    sources = {"topics": help_topics(), "docstrings": prose, "licences": licences(), "code": code()}
    tokenizer = Tokenizer(learn_merges((text for texts in sources.values() for text in texts), vocabulary))

    def row(texts: Iterable[str]) -> torch.Tensor:
        return torch.tensor(tokenizer.encode("\n\n".join(texts)))

    training = {
        name: row(text for number, text in enumerate(texts) if number % HELD_OUT)
        for name, texts in sources.items()
    }
    held_out = row(text for texts in sources.values() for text in texts[::HELD_OUT])
    return tokenizer, Data(training, held_out, row([min(prose, key=len)] * CONTEXT))


@dataclass
class Bandit:
    """Draws a source, keeps it for a while, and prefers those whose smoothed loss still falls."""

    names: list[str]
    generator: torch.Generator
    falls: dict[str, float] = field(default_factory=dict)
    current: str = ""
    left: int = 0  # steps to stay
    before: float | None = None  # the smoothed loss of the current source when it was drawn
    stay: int = 0

    def draw(self, losses: Mapping[str, SourceLoss]) -> str:
        """The source of the next step."""
        if self.left == 0:
            self.settle(losses)
            self.current = self.choose()
            self.stay = self.left = int(torch.randint(STAY[0], STAY[1] + 1, (1,), generator=self.generator))
            self.before = smoothed(losses, self.current)
        self.left -= 1
        return self.current

    def settle(self, losses: Mapping[str, SourceLoss]) -> None:
        """Note how far the loss of the current source fell per step while it was kept."""
        after = smoothed(losses, self.current)
        if after is not None:
            before = after if self.before is None else self.before
            self.falls[self.current] = max(0.0, before - after) / self.stay

    def choose(self) -> str:
        """A source not seen yet, or one drawn by its fall; the floor lets none starve."""
        if unseen := [name for name in self.names if name not in self.falls]:
            return unseen[0]
        falls = torch.tensor([self.falls[name] for name in self.names])
        weights = falls / falls.max().clamp(min=1e-9) + FLOOR
        return self.names[int(torch.multinomial(weights, 1, generator=self.generator))]


def smoothed(losses: Mapping[str, SourceLoss], name: str) -> float | None:
    """The smoothed loss of one source, once it has one."""
    return losses[name].smma if name in losses else None


# --- Training ---------------------------------------------------------------------------------------------


def update(model: GPT, optimizer: torch.optim.Optimizer, batch: torch.Tensor, rate: float) -> float:
    """One step of training; returns the loss before it, that of the first half of the batch."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    losses = model.loss(batch)
    optimizer.zero_grad()
    losses.mean().backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(losses[: BATCH // 2].mean().item())


class Training:
    """One run: the model, its data, and the monitor that watches both signals."""

    def __init__(self, options: argparse.Namespace, monitor: Monitor) -> None:
        self.options, self.monitor = options, monitor
        torch.manual_seed(options.seed)
        self.batches, self.choices, sources = (
            torch.Generator().manual_seed(options.seed + extra) for extra in (1, 2, 3)
        )
        self.tokenizer, self.data = prepare(vocabulary(options))
        self.bandit = Bandit([name for name in self.data.training if name not in HELD_BACK], sources)
        self.model = GPT(options.bug != "leak", vocabulary(options))
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), betas=(0.9, 0.95), weight_decay=WEIGHT_DECAY
        )
        self.first = 1
        self.restarted = 0  # the step after which the learning rate was restarted
        self.saved: list[Path] = []

    def run(self) -> bool:
        """Train to the end or to a halt; return whether it was halted."""
        for step in range(self.first, self.options.steps + 1):
            self.learn(step)
            if step % self.options.sample_every == 0 and self.look(step):
                return True
        return False

    def learn(self, step: int) -> None:
        """Take one step on one source."""
        source = self.bandit.draw(self.monitor.signals.loss.sources)
        loss = update(self.model, self.optimizer, self.batch(source, step), self.rate(step))
        self.monitor.loss(step, round(loss, 6), source)

    def batch(self, source: str, step: int) -> torch.Tensor:
        """One half is from the source, one from any source in use, by length, so that none is forgotten."""
        rows = [self.data.training[name] for name in self.bandit.names]
        sizes = torch.tensor([float(len(row)) for row in rows])
        other = rows[int(torch.multinomial(sizes, 1, generator=self.batches))]
        pair = [self.data.training[source], other]
        if self.is_broken("one-line", step):
            pair = [self.data.stuck, self.data.stuck]
        return torch.cat([windows(row, BATCH // 2, self.batches) for row in pair])

    def rate(self, step: int) -> float:
        """A short warm-up, a cosine down to a tenth over half the run; after a pivot over what is left."""
        done = step - self.restarted
        span = self.options.steps - self.restarted if self.restarted else self.options.steps // 2
        decay = 0.55 + 0.45 * math.cos(math.pi * min(1.0, done / span))
        rate = LEARNING_RATE * min(1.0, done / WARMUP) * decay
        return 100 * rate if self.is_broken("lr", step) else rate

    def is_broken(self, bug: str, step: int) -> bool:
        """Whether a mistake of the second half is being made."""
        return bool(self.options.bug == bug and step > self.options.steps // 2)

    def look(self, step: int) -> bool:
        """Draw samples and act on the diagnosis of the two signals; return whether to stop."""
        prompts = [self.tokenizer.encode(prompt) for prompt in PROMPTS]
        count = SAMPLE_CHARACTERS if self.options.characters else SAMPLE_TOKENS
        texts = [self.tokenizer.decode(complete(self.model, ids, count, self.choices)) for ids in prompts]
        verdict = self.monitor.sample(step, texts, PROMPTS)
        found = self.monitor.diagnosis
        self.tell(step, found, texts)
        if (found.loss, found.samples, found.action) == ("plateau", "reads well", "pivot"):
            self.pivot(step)
        self.keep(step)
        lost = found.action == "halt" or found.loss == "collapsed"
        stop = (verdict.halt or lost) and not self.options.observe
        if stop:
            self.explain(verdict, found)
        return stop

    def tell(self, step: int, found: Diagnosis, texts: Sequence[str]) -> None:
        """Print one line about the state of the run."""
        smma, held_out = self.monitor.signals.loss.smma, self.validate()
        print(
            f"step {step}: {self.bandit.current}, SMMA {smma:.4f}, held-out {held_out:.4f}, "
            f"{found.action}: {found.name}: {texts[0][:40]!r}",
            flush=True,
        )

    def validate(self) -> float:
        """The loss on the same few held-out windows each time."""
        with torch.no_grad():
            batch = windows(self.data.held_out, 2 * BATCH, torch.Generator().manual_seed(0))
            return float(self.model.loss(batch).mean())

    def pivot(self, step: int) -> None:
        """Add a source that was held back and restart the learning rate, unless that was just done."""
        left = [name for name in HELD_BACK if name not in self.bandit.names]
        if not left or step - self.restarted < PATIENCE * self.options.steps or step == self.options.steps:
            return
        self.bandit.names.append(left[0])
        self.restarted = step
        self.monitor.note("pivot", step, brought_in=left[0], learning_rate="restarted")
        print(f"pivot at step {step}: brought in {left[0]}, learning rate restarted", flush=True)

    def keep(self, step: int) -> None:
        """Save a checkpoint and note it; keep only the latest few and the one to go back to."""
        path = self.options.out / "checkpoints" / f"step-{step}.pt"
        path.parent.mkdir(exist_ok=True)
        state = {"step": step, "restarted": self.restarted, "names": self.bandit.names}
        state |= {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        with whole_file(path) as file:  # a kill must not leave half of a file
            torch.save({**state, "monitor": self.monitor.state_dict()}, file)
        self.monitor.note("checkpoint", step)
        self.saved.append(path)
        for old in [path for path in self.saved[:-CHECKPOINTS] if path != self.best]:
            old.unlink()
            self.saved.remove(old)

    @property
    def best(self) -> Path:
        """The checkpoint of the step to go back to; if there is no such step, the file does not exist."""
        folder: Path = self.options.out / "checkpoints"
        return folder / f"step-{self.monitor.resume_from}.pt"

    def resume(self, path: Path) -> None:
        """Resume from a checkpoint. The following batches differ from those that followed it before."""
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.monitor.load_state_dict(state["monitor"])
        self.monitor.note("checkpoint", state["step"])  # not yet in the saved state
        self.first, self.restarted, self.bandit.names = state["step"] + 1, state["restarted"], state["names"]
        for extra, generator in enumerate((self.batches, self.choices, self.bandit.generator)):
            generator.manual_seed(self.options.seed + self.first + extra)

    def explain(self, verdict: Verdict, found: Diagnosis) -> None:
        """Print why the run stops and where to go back to."""
        print(f"halted: {found.name}. {found.sentence}", f"the gate: {verdict.reason}", sep="\n")
        if self.best.exists():
            print(f"mend it and go back: --resume {self.best} --out another-folder")
        else:
            print("no checkpoint with coherent samples to go back to")


# --- The command ------------------------------------------------------------------------------------------


def describe_run(options: argparse.Namespace, model: GPT) -> None:
    """Write what this run is."""
    run = {
        "format": 1,
        "vocab_size": vocabulary(options),
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "command": shlex.join(["python", "examples/train_tiny.py", *sys.argv[1:]]),
        "bug": options.bug,
        "steps": options.steps,
        "gate_warmup": warmup(options),
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
    }
    replace_file(options.out / "run.json", json.dumps(run, indent=2) + "\n")


def vocabulary(options: argparse.Namespace) -> int:
    """The number of tokens; without merges each is a byte."""
    return BYTES if options.characters else VOCABULARY


def warmup(options: argparse.Namespace) -> int:
    """The first step whose samples the gate judges."""
    return int(GATE_WARMUP * options.steps)


def train(options: argparse.Namespace) -> bool:
    """Train in the run folder; return whether the run was halted."""
    started = time.time()
    gate = Gate(warmup=warmup(options), observe_only=options.observe)
    # The window that `coherence audit` uses for a log of this length.
    window = min(100, max(1, options.steps // 10))
    with Monitor(options.out, vocabulary(options), gate, window=window) as monitor:
        print("reading the text and learning the vocabulary", flush=True)
        training = Training(options, monitor)
        describe_run(options, training.model)
        sizes = ", ".join(f"{len(row)} of {name}" for name, row in training.data.training.items())
        print(f"tokens: {sizes}; {time.time() - started:.0f} s", flush=True)
        if options.resume is not None:
            training.resume(options.resume)
        halted = training.run()
    print(f"{time.time() - started:.0f} s; next: coherence audit {options.out}")
    return halted


def read_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Train a very small GPT, watched by a monitor.")
    parser.add_argument("--out", type=Path, required=True, help="the run folder to write")
    parser.add_argument("--steps", type=int, default=1200, help="updates of the weights")
    parser.add_argument("--sample-every", type=int, default=50, help="steps between two rounds of samples")
    parser.add_argument("--bug", choices=["leak", "lr", "one-line"], help="train with this mistake")
    parser.add_argument("--characters", action="store_true", help="a token is a character")
    parser.add_argument("--observe", action="store_true", help="continue after a stop, to see the rest")
    parser.add_argument("--resume", type=Path, metavar="CHECKPOINT", help="resume from this checkpoint")
    parser.add_argument("--seed", type=int, default=0, help="of the weights, the batches and the samples")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    return parser.parse_args()


def main() -> int:
    """Train, unless the folder already holds a run; return 1 if it was halted."""
    options = read_options()
    if options.resume is None and any(options.out.glob("*.jsonl")):
        print(f"{options.out} already holds a run; choose another --out", file=sys.stderr)
        return 2
    torch.set_num_threads(options.threads)
    try:
        return int(train(options))
    except HaltedRun:
        return 2  # the monitor has logged why


if __name__ == "__main__":
    raise SystemExit(main())
