"""Texts that are input to the gate, and a tiny model with a tokenizer of bytes; nothing is downloaded."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from coherence import Gate, Monitor
from coherence.cli.main import main
from coherence.run.stop import STOP, ask_to_stop

os.environ.setdefault("KERAS_BACKEND", "torch")

FINE = "The cat sat by the door and waited for the rain to stop."
LOW = "Budy Budy Budy Budy"


class ByteTokenizer:
    """What a sampler needs of a tokenizer; the vocabulary is the 256 bytes and an end."""

    eos_token_id = pad_token_id = 256
    bos_token_id = None

    def __init__(self) -> None:
        self.padding_side = "right"

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": list(text.encode())}

    def save_pretrained(self, folder: str) -> None:
        """The Trainer saves its tokenizer with each checkpoint."""

    def batch_decode(self, rows: Sequence[Any], skip_special_tokens: bool) -> list[str]:
        assert skip_special_tokens
        return [bytes(token for token in row.tolist() if token < 256).decode("latin-1") for row in rows]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Threads that wait for each other cost a tiny model ten times its work."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture
def tokenizer() -> ByteTokenizer:
    return ByteTokenizer()


@pytest.fixture
def tiny() -> Callable[[], Any]:
    """Makes a GPT-2 of two layers, the same one every time."""
    torch = pytest.importorskip("torch", reason="the tiny model needs torch")
    transformers = pytest.importorskip("transformers", reason="the tiny model needs transformers")

    def make() -> Any:
        torch.manual_seed(0)
        config = transformers.GPT2Config(
            vocab_size=257, n_positions=64, n_embd=16, n_layer=2, n_head=2, bos_token_id=256, eos_token_id=256
        )
        return transformers.GPT2LMHeadModel(config)

    return make


@pytest.fixture
def script() -> Callable[..., Callable[[Any, int], list[str]]]:
    """Makes a sampling function that is fine until a step and low from there on."""

    def make(low_from: int = 10**9) -> Callable[[Any, int], list[str]]:
        def draw(_model: Any, step: int) -> list[str]:
            return [LOW if step >= low_from else FINE]

        return draw

    return make


@pytest.fixture
def reason() -> str:
    """Why the gate halts a run whose every second step is sampled, and low from step 6 on."""
    return "5 samples in a row scored below 30 on every scale, from step 6 to step 14"


@pytest.fixture
def asking(monitor: Monitor) -> Callable[[Any, int], list[str]]:
    """A sampling function that is always fine, while another process asks for a stop at step 6."""

    def draw(_model: Any, step: int) -> list[str]:
        if step == 6:
            ask_to_stop(monitor.folder / STOP, {"reason": "the rollouts loop", "step": 5})
        return [FINE]

    return draw


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Monitor]:
    with Monitor(tmp_path / "run", vocab_size=256) as monitor:
        yield monitor


@pytest.fixture
def resumes(tmp_path: Path) -> Callable[[Monitor], set[int | None]]:
    """Tells the steps to go back to that a halted monitor, its status and the audit of its folder name."""

    def ask(monitor: Monitor) -> set[int | None]:
        assert main(["audit", str(monitor.folder), "--json", str(tmp_path / "report.json")]) == 1
        told = [
            json.loads(path.read_text()) for path in (tmp_path / "report.json", monitor.folder / "loss.json")
        ]
        return {monitor.resume_from, *(each["resume_from"] for each in told)}

    return ask


@pytest.fixture(params=[(0, None, 2), (0, 0, 0), (0, 7, 7), (5, None, 5)], ids=str)
def warm_up(request: pytest.FixtureRequest) -> tuple[Gate, int | None, int]:
    """A gate, the callback's warm-up, and the first step judged in a run of 40: 5 % of it unless told."""
    of_gate, of_callback, expected = request.param
    return Gate(warmup=of_gate), of_callback, expected
