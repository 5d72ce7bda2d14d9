"""The Python blocks of docs/trainers/ run as they stand; an adapter names the library that it lacks."""

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from coherence.lazy import needs
from coherence.run.monitor import _close_all

DOCS = ROOT / "docs" / "trainers"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = [
    pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true"),
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:Starting from v1.9.0, `tensorboardX` has been removed"),
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated"),
    pytest.mark.filterwarnings(
        "ignore:The number of training batches .* is smaller than the logging interval"
    ),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]


def run(page: str, given: dict[str, Any]) -> dict[str, Any]:
    """Run the blocks of a page one after the other; `given` is what the reader has already."""
    blocks = BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8"))
    assert blocks
    for block in blocks:
        exec(compile(block, f"docs/trainers/{page}.md", "exec"), given)  # noqa: S102 - our own page
    _close_all()  # a page does not, and the folder goes before the program ends
    return given


@pytest.mark.parametrize(
    ("page", "lines"), [("torch_loop", 5), ("huggingface", 3), ("trl", 2), ("lightning", 3), ("keras", 3)]
)
def test_a_page_marks_the_lines_to_add_imports_included(page: str, lines: int) -> None:
    block = BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8"))[0]
    assert block.count("  # +\n") == lines
    ours = [line for line in block.splitlines() if "coherence" in line.lower() or "Monitor" in line]
    assert all(line.endswith("  # +") for line in ours)
    overview = (DOCS.parent / "training.md").read_text(encoding="utf-8")
    assert re.search(rf"\| {lines} \| .*\(trainers/{page}\.md\) \|", overview)


def test_the_overview_leads_to_every_page_in_its_first_screen() -> None:
    overview = (DOCS.parent / "training.md").read_text(encoding="utf-8")
    first = "\n".join(overview.splitlines()[:40])
    doors = set(re.findall(r"\(([\w./]+\.md)(?:#[\w-]+)?\)", first))
    pages = {f"trainers/{path.name}" for path in DOCS.glob("*.md")} - {
        "trainers/sampler.md"
    }  # of all of them
    assert doors >= {*pages, "watch.md", "report.md"}
    assert all((DOCS.parent / door).is_file() for door in doors)
    for heading in re.findall(r"\(#([\w-]+)\)", first):
        assert heading in {re.sub(r"[^\w-]", "", line[3:].lower().replace(" ", "-"))
                           for line in overview.splitlines() if line.startswith("## ")}  # fmt: skip


def generate(_model: Any, prompt: str) -> str:
    return f"{prompt} a cat sat by the door and waited for the rain to stop."


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_plain_loop(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the plain loop needs torch")
    given = {"torch": torch, "model": torch.nn.Linear(2, 2), "generate": generate}
    assert not run("torch_loop", given | {"train_one_step": lambda _model: 3.0})["verdict"].halt
    assert (tmp_path / "runs" / "tiny" / "samples.jsonl").read_bytes().count(b"\n") == 20


def test_the_hugging_face_trainer(tmp_path: Path, tiny: Callable[[], Any], tokenizer: Any) -> None:
    pytest.importorskip("accelerate", reason="the Hugging Face Trainer needs accelerate")
    data = [{"input_ids": [i] * 8, "labels": [i] * 8} for i in range(200)]
    run("huggingface", {"model": tiny(), "tokenizer": tokenizer, "train_dataset": data})
    assert (tmp_path / "runs" / "gpt2" / "samples.jsonl").read_bytes().count(b"\n") == 4
    assert (tmp_path / "out" / "checkpoint-20" / "coherence.json").is_file()


def test_the_ready_sampler(tmp_path: Path, tiny: Callable[[], Any], tokenizer: Any) -> None:
    assert not run("sampler", {"model": tiny(), "tokenizer": tokenizer})["verdict"].halt
    assert (tmp_path / "runs" / "sampled" / "samples.jsonl").read_bytes().count(b"\n") == 2


def test_the_lightning_trainer(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the Lightning adapter needs torch")
    lightning = pytest.importorskip("lightning.pytorch", reason="the Lightning adapter needs lightning")

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Linear(4, 1)

        def training_step(self, batch: Any, _index: int) -> Any:
            return self.net(batch).square().mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

        def generate(self, prompt: str) -> str:
            return generate(self, prompt)

    loader = torch.utils.data.DataLoader(torch.ones(40, 4), batch_size=2)
    run("lightning", {"module": Module(), "loader": loader})
    assert (tmp_path / "runs" / "lightning" / "samples.jsonl").read_bytes().count(b"\n") == 4


def test_keras(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the Keras adapter is tested on the torch backend")
    keras = pytest.importorskip("keras", reason="the Keras adapter needs keras")
    numpy = pytest.importorskip("numpy")
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    inputs = numpy.ones((40, 4))
    run("keras", {"model": model, "inputs": inputs, "targets": inputs[:, :1], "generate": generate})
    assert (tmp_path / "runs" / "keras" / "metrics.jsonl").read_bytes().count(b"\n") == 4


@pytest.mark.parametrize(
    ("adapter", "library"),
    [
        ("torch_loop", "torch"),
        ("huggingface", "transformers"),
        ("lightning", "lightning"),
        ("keras", "keras"),
    ],
)
def test_an_absent_library_is_named_with_the_extra_that_brings_it(
    adapter: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = [name for name in sys.modules if name.split(".")[0] == library]
    for name in {*absent, library, f"{library}.pytorch"}:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"coherence.trainers.{adapter}", raising=False)
    expected = f"coherence.trainers.{adapter} {needs(library, adapter.removesuffix('_loop'))}"
    with pytest.raises(ImportError, match=re.escape(expected)):
        importlib.import_module(f"coherence.trainers.{adapter}")
