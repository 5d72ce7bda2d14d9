"""The lines that the pages on nanoGPT, build-nanogpt and nanochat add run, in a loop with their names."""

import os
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from coherence import Verdict

torch = pytest.importorskip("torch", reason="the pages are for PyTorch")

DOCS = ROOT / "docs" / "trainers"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LETTERS = "\n abcdefghijklmnopqrstuvwxyzTHI',"


class Model(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
    """Says any letter, or, broken, the last letter of the prompt for ever."""

    def __init__(self, broken: bool, padding: int = 5) -> None:
        super().__init__()
        self.broken, self.vocabulary = broken, len(LETTERS) + padding
        self.lengths: set[int] = set()

    def forward(self, idx: Any, targets: Any = None) -> tuple[Any, None]:
        assert targets is None
        self.lengths.add(idx.size(1))
        return torch.nn.functional.one_hot(idx, self.vocabulary) * (100.0 if self.broken else 0.0), None

    def generate(self, idx: Any, max_new_tokens: int, temperature: float, top_k: int) -> Any:
        assert temperature == 1.0
        assert top_k > 1
        for _ in range(max_new_tokens):
            chances = self(idx)[0][:, -1, : len(LETTERS)].softmax(-1)
            idx = torch.cat((idx, torch.multinomial(chances, 1)), dim=1)
        return idx


class Encoding:
    """What the scripts use of a tokenizer, one letter a token; it refuses the padding, as tiktoken does."""

    n_vocab = len(LETTERS)

    def encode(self, text: str) -> list[int]:
        return [LETTERS.index(letter) for letter in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(dict(enumerate(LETTERS))[token] for token in ids)

    def __call__(self, text: str, prepend: str) -> list[int]:
        assert prepend == "<|bos|>"
        return [0, *self.encode(text)]


class Engine:
    """Generates as nanochat's does: a list of tokens in, the rows with the prompt and their masks out."""

    def __init__(self, model: Model, tokenizer: Encoding) -> None:
        assert isinstance(tokenizer, Encoding)
        self.model = model

    def generate_batch(
        self, tokens: list[int], num_samples: int, max_tokens: int, temperature: float, top_k: int, seed: int
    ) -> tuple[list[list[int]], None]:
        torch.manual_seed(seed)
        return self.model.generate(
            torch.tensor([tokens] * num_samples), max_tokens, temperature, top_k
        ).tolist(), None


def blocks(page: str) -> list[str]:
    return BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8"))


def run(block: str, given: dict[str, Any]) -> dict[str, Any]:
    exec(compile(block, "docs/trainers", "exec"), given)  # noqa: S102 - our own page
    return given


def given_by(page: str, broken: bool) -> dict[str, Any]:
    """The names that each script has where our lines come."""
    model, encoding = Model(broken), Encoding()
    own: dict[str, Any]
    common = {"torch": torch, "device": "cpu", "master_process": True}
    if page == "nanogpt":
        own = {"meta": {"stoi": {c: i for i, c in enumerate(LETTERS)}, "itos": dict(enumerate(LETTERS))}}
        own |= {"ctx": nullcontext(), "raw_model": model, "max_iters": 60, "iter_num": 0, "eval_interval": 10}
        own |= {"out_dir": "out", "model_args": {"vocab_size": 40}, "checkpoint": {}, "log_interval": 10}
        return common | own | {"lossf": 3.0}
    if page == "build_nanogpt":
        own = {"enc": encoding, "T": 64, "max_steps": 1001, "raw_model": model, "device_type": "cpu"}
        top_p = run(blocks("sampler")[-1], {})["top_p"]
        return common | own | {"loss_accum": torch.tensor(3.0), "top_p": top_p}
    own = {"os": os, "tokenizer": encoding, "Engine": Engine, "checkpoint_dir": "chat"}
    own |= {"disable_fp8": lambda _model: nullcontext(), "orig_model": model, "vocab_size": 40}
    return common | own | {"num_iterations": 1001, "step": 0, "train_loss_f": 3.0}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    torch.manual_seed(0)


PAGES = [
    ("nanogpt", 5, "out", 7),
    ("build_nanogpt", 6, "log/coherence", 5),
    ("nanochat", 6, "chat/coherence", 5),
]


@pytest.mark.parametrize(("page", "lines"), [(page, lines) for page, lines, _, _ in PAGES])
def test_a_page_marks_the_lines_to_add(page: str, lines: int) -> None:
    assert blocks(page)[0].count("  # +\n") == lines <= 6
    overview = (DOCS.parent / "training.md").read_text(encoding="utf-8")
    assert re.search(rf"\| {lines} \| .*\(trainers/{page}\.md\) \|", overview)


@pytest.mark.parametrize(("page", "folder", "times"), [(page, *rest) for page, _, *rest in PAGES])
def test_a_healthy_model_is_sampled_to_the_end(page: str, folder: str, times: int) -> None:
    found = run(blocks(page)[0], given_by(page, broken=False))
    found["monitor"].close()
    samples = Path(folder, "samples.jsonl").read_bytes()
    assert samples.count(b"\n") == 4 * times
    assert found["monitor"].gate.halt_reason is None


@pytest.mark.parametrize("page", [page for page, _, _, _ in PAGES])
def test_a_model_that_says_one_letter_is_halted(page: str) -> None:
    found = run(blocks(page)[0], given_by(page, broken=True))
    found["monitor"].close()
    assert found["monitor"].gate.halt_reason.startswith("5 samples in a row")


@pytest.mark.parametrize("page", [page for page, _, _, _ in PAGES])
def test_the_other_ranks_call_check_too_and_draw_nothing(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def check(monitor: object, step: int, _model: object, _draw: object) -> Verdict:
        assert monitor is None
        steps.append(step)
        return Verdict(step >= 20, False, "fine", 0, 5, step, (), "what rank 0 says")

    monkeypatch.setattr("coherence.trainers.torch_loop.check", check)
    run(blocks(page)[0], given_by(page, broken=False) | {"master_process": False})
    assert steps[0] == 0
    assert steps[-1] == (20 if page == "nanogpt" else 250)


def test_what_nanogpt_decodes_of_gpt_2_leaves_the_padding_out() -> None:
    decode = run(blocks("nanogpt")[1], {"enc": Encoding()})["decode"]
    assert decode([1, 2, 3, len(LETTERS) + 1]) == " ab"


def test_build_nanogpt_draws_within_the_context() -> None:
    model = Model(broken=False, padding=0)
    given = given_by("build_nanogpt", broken=False) | {"max_steps": 0}
    found = run(blocks("build_nanogpt")[0], given)
    found["monitor"].close()
    pairs = found["draw"](model, 0)
    assert [(prompt, len(text)) for prompt, text in pairs] == [("Hello, I'm a language model,", 150)] * 4
    assert max(model.lengths) == given["T"]


class TestTopP:
    @pytest.fixture
    def top_p(self) -> Any:
        return run(blocks("sampler")[-1], {})["top_p"]

    @pytest.fixture
    def logits(self) -> Any:
        return 3 * torch.randn(16, 500)

    def test_is_ten_lines_or_fewer(self) -> None:
        function = re.search(r"^def top_p.*?(?=\n\n|\Z)", blocks("sampler")[-1], re.MULTILINE | re.DOTALL)
        assert function is not None
        assert function[0].count("\n") < 10

    def test_keeps_the_fewest_likeliest_tokens_with_the_mass(self, top_p: Any, logits: Any) -> None:
        before = logits.softmax(-1)
        for share in (0.1, 0.5, 0.95):
            kept = top_p(logits, share)
            assert torch.equal(kept[kept > 0], before[kept > 0])
            assert (kept.sum(-1) >= share).all()
            least = torch.where(kept > 0, kept, torch.inf).amin(-1)
            assert (least >= torch.where(kept > 0, 0.0, before).amax(-1)).all()
            assert (kept.sum(-1) - least <= share + 1e-5).all()

    def test_keeps_all_but_what_rounding_hides_with_a_share_of_1(self, top_p: Any, logits: Any) -> None:
        assert torch.allclose(top_p(logits, 1.0), logits.softmax(-1), atol=1e-6)

    def test_is_greedy_in_the_limit(self, top_p: Any, logits: Any) -> None:
        for kept in (top_p(logits, 1e-6), top_p(logits, temperature=1e-4)):
            assert torch.equal(kept.argmax(-1), logits.argmax(-1))
            assert ((kept > 0).sum(-1) == 1).all()

    def test_counts_a_large_vocabulary_in_full_precision(self, top_p: Any) -> None:
        kept = top_p(torch.zeros(1, 50_000, dtype=torch.bfloat16))
        assert abs(int((kept > 0).sum()) - 47_500) <= 50
        assert kept.dtype == torch.float32

    @pytest.mark.parametrize("share", [0.0, 1e-9, 0.5, 1.0])
    @pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
    def test_is_never_empty(self, top_p: Any, share: float, kind: Any) -> None:
        for logits in (torch.zeros(2, 50_000), 100 * torch.eye(4), -1e4 * torch.ones(3, 7)):
            kept = top_p(logits.to(kind), share)
            assert (kept.sum(-1) > 0).all()
            assert torch.multinomial(kept, 1).shape == (len(logits), 1)
