"""The Python blocks of the pages on generation and TRL run as they stand."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from tiny_grpo import WORDS, length, make

from coherence.run.monitor import _close_all

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    return BLOCK.findall((ROOT / "docs" / "trainers" / f"{page}.md").read_text(encoding="utf-8"))


def run(block: str, given: dict[str, Any]) -> dict[str, Any]:
    exec(compile(block, "docs/trainers", "exec"), given)  # noqa: S102 - our own page
    return given


def test_the_page_on_generation_in_transformers(tiny: Callable[[], Any], tokenizer: Any) -> None:
    torch = pytest.importorskip("torch")
    model = tiny()
    model.transformer.wpe = torch.nn.Embedding(512, 16)
    model.lm_head.weight = torch.nn.Parameter(torch.zeros(257, 16))
    model.lm_head.bias = torch.nn.Parameter(torch.zeros(257))
    model.lm_head.bias.data[65] = 100.0  # it can only say "A"
    ids = torch.tensor([[84, 104, 101]] * 2)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    found = run(blocks("generation")[0], {"model": model, "tokenizer": tokenizer, "inputs": inputs})
    assert found["rows"].shape[1] == 3 + 120
    assert [text.tolist() for text in found["texts"]] == [[84, 104, 101, 65]] * 2


def test_the_page_on_generation_in_any_decoder(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(blocks("generation")[1], {"stream": ["so", *["and", "on"] * 100]})
    assert capsys.readouterr().out == "loops from token 1\n"
    assert found["repeat"] is None


@pytest.mark.filterwarnings("ignore")  # what TRL and its libraries warn of is theirs
def test_the_page_on_trl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trl", reason="GRPO needs trl: pip install trl")
    datasets = pytest.importorskip("datasets", reason="TRL needs datasets")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RANK", raising=False)
    model = make(tmp_path, WORDS, [length], [])  # for its parts
    options = {"use_cpu": True, "bf16": False, "report_to": [], "save_strategy": "no", "disable_tqdm": True}
    chats = [[{"role": "user", "content": "the cat"}, {"role": "assistant", "content": "sat by the door"}]]
    found: dict[str, Any] = {
        "model": model.model,
        "tokenizer": model.processing_class,
        "dataset": model.train_dataset,
        "my_reward": length,
        "texts": datasets.Dataset.from_dict({"messages": chats * 16}),
        "options": options | {"logging_steps": 1, "per_device_train_batch_size": 4},
    }
    for block in blocks("trl")[:-2]:  # without those on verl and OpenRLHF
        run(block, found)
    _close_all()  # the page does not, and the folder goes before the program ends
    for name, count in (("grpo", 16), ("grpo-2", 16), ("sft", 2)):
        assert (tmp_path / "runs" / name / "samples.jsonl").read_bytes().count(b"\n") == count
    # As a reward function alone it is not told the losses.
    assert not (tmp_path / "runs" / "grpo" / "metrics.jsonl").exists()
    assert b'"loss"' in (tmp_path / "runs" / "grpo-2" / "metrics.jsonl").read_bytes()


def test_the_page_on_verl() -> None:
    compute_score = run(blocks("trl")[-2], {})["compute_score"]
    fine = "The answer to the question that you asked is, as far as I can tell, 42."
    assert compute_score("math", fine, "42")["score"] == 1.0
    assert compute_score("math", "42 " * 50, "42", {})["score"] == 0.5


def test_the_page_on_openrlhf() -> None:
    pytest.importorskip("torch", reason="OpenRLHF takes tensors")
    reward_func = run(blocks("trl")[-1], {})["reward_func"]
    assert reward_func(["Who? " + "42 " * 50], ["Who? "], ["42"])["rewards"].tolist() == [0.5]
