"""The CSV that Lightning and Keras log, written by them and read back; nothing is downloaded."""

import math
from pathlib import Path
from typing import Any

import pytest

from coherence.readers.find import find_runs
from coherence.readers.formats import csv_rows
from coherence.readers.lines import Part, Problems
from coherence.readers.records import LossRow


def losses_in(folder: Path) -> tuple[list[LossRow], str]:
    """The losses that belong to a sample in the folder, and the file they are from."""
    (folder / "samples.jsonl").write_text('{"step": 1, "text": "once"}\n', encoding="utf-8")
    (run,) = find_runs([str(folder)])
    (file,) = run.losses
    assert file.format == "csv_rows"
    problems = Problems()
    losses = list(csv_rows.losses(Part(file.path), problems))
    assert all(not math.isfinite(row.loss) for row in losses) or problems.count == 0
    return losses, file.path


@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:The 'val_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated")
@pytest.mark.parametrize("on_epoch", [False, True])
def test_what_lightning_logs_is_read_step_by_step_without_its_validation(
    tmp_path: Path, on_epoch: bool
) -> None:
    torch = pytest.importorskip("torch", reason="Lightning needs torch")
    lightning = pytest.importorskip("lightning.pytorch", reason="the CSV is written by lightning")
    loggers = pytest.importorskip("lightning.pytorch.loggers", reason="the CSV is written by lightning")
    seen: list[float] = []

    class Tiny(lightning.LightningModule):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Linear(2, 1)

        def training_step(self, batch: Any, _index: int) -> Any:
            loss = self.net(batch).square().mean()
            seen.append(float(loss.detach()))
            self.log("train_loss", loss, on_step=True, on_epoch=on_epoch)
            return loss

        def validation_step(self, batch: Any, _index: int) -> None:
            self.log("val_loss", self.net(batch).square().mean())

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    data = torch.utils.data.DataLoader(torch.ones(8, 2), batch_size=2)
    trainer = lightning.Trainer(
        logger=loggers.CSVLogger(tmp_path, name="lightning_logs", version=3),
        max_epochs=2,
        log_every_n_steps=1,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(Tiny(), data, data)
    losses, file = losses_in(tmp_path)
    assert file == f"{tmp_path}/lightning_logs/version_3/metrics.csv"
    assert [row.step for row in losses] == list(range(8))
    assert [row.loss for row in losses] == pytest.approx(seen, rel=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
@pytest.mark.parametrize("broken", [False, True])
def test_what_keras_logs_is_read_epoch_by_epoch(tmp_path: Path, broken: bool) -> None:
    pytest.importorskip("torch", reason="Keras is tested on the torch backend")
    keras = pytest.importorskip("keras", reason="the CSV is written by keras")
    np = pytest.importorskip("numpy")
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    inputs = np.full((8, 2), np.nan if broken else 1.0)
    log = keras.callbacks.CSVLogger(tmp_path / "training.log")
    fitted = model.fit(inputs, np.ones(8), epochs=3, validation_split=0.25, verbose=0, callbacks=[log])
    losses, file = losses_in(tmp_path)
    assert file == f"{tmp_path}/training.log"
    assert [row.step for row in losses] == [0, 1, 2]
    assert [row.loss for row in losses] == pytest.approx(fitted.history["loss"], nan_ok=True)
    assert any(math.isnan(row.loss) for row in losses) is broken
