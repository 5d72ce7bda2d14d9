"""Train a very small GPT on the documentation that comes with Python, and write its samples to a run folder.

    python examples/train_tiny.py --out runs/healthy
    python examples/train_tiny.py --out runs/leak --bug leak

About a million parameters, five to ten minutes on two CPU cores, nothing to download: the text is
``pydoc_data.topics`` and the docstrings of the standard library. It needs PyTorch, which the extra
``coherence[example]`` brings.

``--bug leak`` leaves the causal mask out of the attention, in training and in generation, and changes
nothing else. Every position can then see the very token it has to predict, so the loss falls to almost
nothing: the model learns to copy its right-hand neighbour instead of learning the language. In generation
the newest token has no right-hand neighbour, so it copies what is nearest, which is itself, and the samples
loop. The loss curve looks like a triumph; only the samples tell.

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

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError:
    print("train_tiny.py needs PyTorch: pip install 'coherence[example]'", file=sys.stderr)
    raise SystemExit(2) from None

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VOCABULARY = 1024
WIDTH, LAYERS, HEADS, CONTEXT = 128, 4, 4, 256
BATCH, LEARNING_RATE, WARMUP, WEIGHT_DECAY = 12, 3e-3, 50, 0.1
PROMPTS = ("The", "If the")
SAMPLE_TOKENS, TEMPERATURE, TOP_P = 200, 1.0, 0.95
METRICS_EVERY = 10
HELD_OUT = 20  # every twentieth document is kept for validation


# --- The text ---------------------------------------------------------------------------------------------


def help_topics() -> list[str]:
    """The texts behind ``help("if")``, ``help("lambda")`` and so on, by name."""
    return [topics[name].strip() for name in sorted(topics)]


def stdlib_docstrings() -> list[str]:
    """Every docstring of the standard library, once, in the order of the files' names."""
    root = Path(sysconfig.get_path("stdlib"))
    skipped = {"site-packages", "dist-packages", "test", "tests"}
    files = (path for path in sorted(root.rglob("*.py")) if skipped.isdisjoint(path.parts[len(root.parts) :]))
    return list(dict.fromkeys(text for path in files for text in docstrings(path)))


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
    """Turn each vector by angles that grow with its position, so that products tell the distance."""
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
    """One layer: attention, then a position-wise network, each added to what came in."""

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

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.blocks = nn.Sequential(*(Block(causal) for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH)
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """For every position, the logits of the next token."""
        x = self.blocks(self.tokens(tokens))
        return functional.linear(self.norm(x), self.tokens.weight)

    def loss(self, tokens: torch.Tensor) -> torch.Tensor:
        """The mean cross-entropy of each position's guess at the token that follows it."""
        logits = self(tokens)[:, :-1]
        return functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


# --- Sampling ---------------------------------------------------------------------------------------------


def keep_top(probabilities: torch.Tensor, share: float) -> torch.Tensor:
    """Zero all but the most likely tokens that together hold the share (the first one always stays)."""
    ordered, order = probabilities.sort(descending=True)
    ordered[ordered.cumsum(-1) - ordered >= share] = 0.0
    return torch.zeros_like(probabilities).scatter(-1, order, ordered)


def complete(model: GPT, prompt: list[int], generator: torch.Generator) -> list[int]:
    """Draw the tokens that follow the prompt, one after the other."""
    tokens = torch.tensor([prompt])
    with torch.no_grad():
        for _ in range(SAMPLE_TOKENS):
            logits = model(tokens[:, -CONTEXT:])[0, -1]
            likely = keep_top((logits / TEMPERATURE).softmax(-1), TOP_P)
            drawn = torch.multinomial(likely, 1, generator=generator)
            tokens = torch.cat([tokens, drawn[None]], dim=1)
    return [int(token) for token in tokens[0, len(prompt) :]]


# --- The run folder ---------------------------------------------------------------------------------------


def append(path: Path, record: dict[str, object]) -> None:
    """Add one line to a JSONL file; closing it flushes it."""
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps({"format": 1, **record}, ensure_ascii=False) + "\n")


def describe_run(out: Path, bug: str | None, model: GPT) -> None:
    """Write what this run is."""
    out.mkdir(parents=True, exist_ok=True)
    run = {
        "format": 1,
        "vocab_size": VOCABULARY,
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "command": shlex.join(["python", "examples/train_tiny.py", *sys.argv[1:]]),
        "bug": bug,
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
    }
    (out / "run.json").write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8", newline="\n")


# --- Training ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Data:
    """One long row of tokens for each source, and one of held-out documents."""

    training: dict[str, torch.Tensor]
    held_out: torch.Tensor

    def draw(self, generator: torch.Generator) -> tuple[str, torch.Tensor]:
        """A source, each as often as it is long, and a batch from that source alone."""
        names = list(self.training)
        sizes = torch.tensor([float(len(row)) for row in self.training.values()])
        source = names[int(torch.multinomial(sizes, 1, generator=generator))]
        return source, windows(self.training[source], generator)


def windows(row: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A batch of stretches of the row."""
    starts = torch.randint(len(row) - CONTEXT, (BATCH, 1), generator=generator)
    return row[starts + torch.arange(CONTEXT)]


def prepare() -> tuple[Tokenizer, Data]:
    """Collect the text, learn the vocabulary and encode."""
    sources = {"topics": help_topics(), "docstrings": stdlib_docstrings()}
    tokenizer = Tokenizer(learn_merges((text for texts in sources.values() for text in texts), VOCABULARY))

    def row(texts: Iterable[str]) -> torch.Tensor:
        return torch.tensor(tokenizer.encode("\n\n".join(texts)))

    training = {
        name: row(text for number, text in enumerate(texts) if number % HELD_OUT)
        for name, texts in sources.items()
    }
    held_out = row(text for texts in sources.values() for text in texts[::HELD_OUT])
    return tokenizer, Data(training, held_out)


def learning_rate(step: int, steps: int) -> float:
    """A short warm-up, then a cosine down to a tenth."""
    decay = 0.55 + 0.45 * math.cos(math.pi * step / steps)
    return LEARNING_RATE * min(1.0, step / WARMUP) * decay


def update(model: GPT, optimizer: torch.optim.Optimizer, batch: torch.Tensor, rate: float) -> float:
    """One step of training; returns the loss before it."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = model.loss(batch)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.item())


def validate(model: GPT, data: Data) -> float:
    """The loss on the same few held-out windows each time."""
    with torch.no_grad():
        return float(model.loss(windows(data.held_out, torch.Generator().manual_seed(0))))


def train(options: argparse.Namespace) -> None:
    """Train, and write metrics and samples on the way."""
    started = time.time()
    torch.manual_seed(options.seed)
    draws, choices = (torch.Generator().manual_seed(options.seed + extra) for extra in (1, 2))
    print("reading the documentation and learning the vocabulary", flush=True)
    tokenizer, data = prepare()
    model = GPT(causal=options.bug != "leak")
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=WEIGHT_DECAY)
    describe_run(options.out, options.bug, model)
    print(f"{sum(map(len, data.training.values()))} tokens after {time.time() - started:.0f} s", flush=True)
    for step in range(1, options.steps + 1):
        source, batch = data.draw(draws)
        rate = learning_rate(step, options.steps)
        loss = round(update(model, optimizer, batch, rate), 6)
        now = {"step": step, "loss": loss, "time": round(time.time(), 3)}
        if step % METRICS_EVERY == 0 or step == 1:
            append(options.out / "metrics.jsonl", {**now, "source": source, "lr": round(rate, 8)})
        if step % options.sample_every == 0:
            for index, prompt in enumerate(PROMPTS):
                text = tokenizer.decode(complete(model, tokenizer.encode(prompt), choices))
                append(options.out / "samples.jsonl", {**now, "index": index, "prompt": prompt, "text": text})
            print(
                f"step {step}: loss {loss:.4f}, held-out {validate(model, data):.4f}: {text[:60]!r}",
                flush=True,
            )
    print(f"{time.time() - started:.0f} s; next: coherence audit {options.out}")


def main() -> int:
    """Read the options and train, unless the folder already holds a run."""
    parser = argparse.ArgumentParser(description="Train a very small GPT and write its samples.")
    parser.add_argument("--out", type=Path, required=True, help="the run folder to write")
    parser.add_argument("--steps", type=int, default=800, help="updates of the weights")
    parser.add_argument("--sample-every", type=int, default=25, help="steps between two rounds of samples")
    parser.add_argument("--bug", choices=["leak"], help="train with this mistake")
    parser.add_argument("--seed", type=int, default=0, help="of the weights, the batches and the samples")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    options = parser.parse_args()
    if any((options.out / name).exists() for name in ("samples.jsonl", "metrics.jsonl")):
        print(f"{options.out} already holds a run; choose another --out", file=sys.stderr)
        return 2
    torch.set_num_threads(options.threads)
    train(options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
