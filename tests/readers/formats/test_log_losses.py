"""The losses of training logs: the shapes of each trainer, steps that must be worked out, phases, ranks."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coherence.readers.formats.logs import reader as logs
from coherence.readers.formats.logs.steps import spaced
from coherence.readers.lines import Part, Problems, read_head
from coherence.readers.records import LossRow


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "train.log"


def read(path: Path, content: str) -> tuple[list[LossRow], list[str]]:
    path.write_text(content, encoding="utf-8", newline="")
    problems = Problems()
    return list(logs.losses(Part(str(path)), problems)), list(problems.remarks)


def curve(path: Path, content: str) -> list[tuple[int, float]]:
    return [(row.step, row.loss) for row in read(path, content)[0]]


def is_recognised(path: Path, content: str) -> bool:
    path.write_text(content, encoding="utf-8", newline="")
    return logs.recognise(read_head(str(path)))


def log(line: str, *values: Iterable[object]) -> str:
    """Return a log of one line for each row of values."""
    return "".join(line.format(*row) + "\n" for row in zip(*values, strict=True))


TEN = range(1, 11)
LOSSES = [f"{9 - step / 10:.1f}" for step in TEN]

MINIMIND = log(
    "Epoch:[{}/2]({}/50), loss: {}, logits_loss: 8.1, aux_loss: 0.0000, lr: 0.00050000, epoch_time: 13.0min",
    [1] * 5 + [2] * 5, [10, 20, 30, 40, 50] * 2, LOSSES,
)  # fmt: skip
MINIMIND_OLD = log(
    "Epoch:[{}/2]({}/50) loss:{} lr:0.00050000 epoch_Time:13.0min:",
    [1] * 5 + [2] * 5, [0, 10, 20, 30, 40] * 2, LOSSES,
)  # fmt: skip
LLAMA2_C = (
    "step 0: train loss 10.3747, val loss 10.3750\n"
    + log("{} | loss {} | lr 1.000000e-05 | 870.78ms | mfu 0.21%", range(10), LOSSES)
    + "step 10: train loss 7.9, val loss 7.95\nsaving checkpoint to out\n"
)
LITGPT = log(
    "Epoch 1 | iter {} step {} | loss train: {}, val: n/a | iter time: 112.20 ms (step)",
    range(8, 88, 8), TEN, LOSSES,
)  # fmt: skip
LITGPT_OLD = log("iter {} | step {}: loss {}, iter time: 112.20ms", range(8, 88, 8), TEN, LOSSES)
NEMO = log(
    "Training epoch 0, iteration {}/99 | lr: 2.699e-06 | global_batch_size: 4 | global_step: {} | "
    "reduced_train_loss: {} | train_step_timing in s: 0.06",
    TEN, TEN, LOSSES,
)  # fmt: skip
MAXTEXT = log(
    "completed step: {}, seconds: 1.2, TFLOP/s: 60.1, total_weights: 65536, loss: {}",
    TEN, LOSSES,
)  # fmt: skip
COMPOSER = log(
    "[batch={}/4800]:\n\t Train time/epoch: 0\n\t Train loss/train/total: {}\n"
    "\t Train metrics/train/LanguageCrossEntropy: 2.0",
    TEN, LOSSES,
)  # fmt: skip
COMPOSER_EPOCHS = log(
    "[epoch={}/2][batch={}/5]:\n\t Train loss/train/total: {}", [1] * 5 + [2] * 5, [1, 2, 3, 4, 5] * 2, LOSSES
)
OLMO = log(
    "2026-05-24 18:40:49.510\thost-1:0\tolmo.train:806\tINFO\t[step={}/1000,epoch=0]\n"
    "    optim/total_grad_norm=1.2\n    train/CrossEntropyLoss={}\n    throughput/total_tokens=4,194,304",
    TEN, LOSSES,
)  # fmt: skip
FAIRSEQ = log(
    "2026-01-02 10:00:01 | INFO | train_inner | epoch 001:    {} / 1000 loss={}, ppl=16384, wps=21000, "
    "num_updates={}, lr=1e-05, gnorm=2.1, wall=60",
    TEN, LOSSES, TEN,
)  # fmt: skip
FAIRSEQ_OLD = log(
    "| epoch {:03d}:  {} / 8000 loss={} (9.50), nll_loss=2.1 (2.2), wps=21000, gnorm=2.1",
    [1] * 5 + [2] * 5, [1000, 2000, 3000, 4000, 5000] * 2, LOSSES,
)  # fmt: skip
TORCHTITAN = log(
    "[rank0]:[titan] 2026-01-02 10:00:01,338 - root - INFO - step:  {}  loss:  {}  grad_norm:  0.81  tps: 7",
    TEN, LOSSES,
)  # fmt: skip
TIMM = log(
    "[01:30:27.164930] Epoch: [{}]  [{}/50]  lr: 0.0000  closs: 1.5 (1.5)  loss: {} (9.5440)  time: 9.7",
    [0] * 5 + [1] * 5, [0, 10, 20, 30, 40] * 2, LOSSES,
)  # fmt: skip
MMENGINE = log(
    "01/02 10:00:00 - mmengine - INFO - Epoch(train) [{}][{}/50]  lr: 2e-5  time: 2.1  loss: {}",
    [1] * 5 + [2] * 5, [10, 20, 30, 40, 50] * 2, LOSSES,
)  # fmt: skip
TORCHTUNE_BAR = log("1|{}|Loss: {}:  10%|█         | 1/10 [00:01<00:10,  1.00s/it]", TEN, LOSSES)
PRIME_RL_SFT = log(
    "10:00:00    INFO Step {} | Time: 5.66s | Loss: {} | Grad. Norm: 0.2 | LR: 1e-5", TEN, LOSSES
)
SPREAD = (
    log("2026-01-02 10:00:00,123 - train - INFO - Step {} loss: {} lr: 0.001", TEN, LOSSES)
    + "2026-01-02 10:00:00,123 - train - INFO - done\n"
)
GENERAL = log("Ep 1 (Step {:06d}): Training loss {}, tokens 1,000", TEN, LOSSES)
PROGRESS = log("INFO: progress step={} lr=0.1 training_loss={} ok\nloading\nready", TEN, LOSSES)
WORD_LM = log(
    "| epoch {:3d} | {:5d}/ 1000 batches | lr 20.00 | ms/batch  9.90 | loss {} | ppl  99.00",
    [1] * 5 + [2] * 5, [200, 400, 600, 800, 1000] * 2, LOSSES,
)  # fmt: skip
TUTORIAL = log(
    "Epoch [{}/2], Step [{}/500], Loss: {}", [1] * 5 + [2] * 5, [100, 200, 300, 400, 500] * 2, LOSSES
)
DICTIONARY_WITH_STEP = log("{{'loss': {}, 'epoch': 0.1, 'global_step/max_steps': '{}/438'}}", LOSSES, TEN)
LIGHTNING = log(
    "\rEpoch {}:  50%|███     | {}/50 [00:10<00:10,  5.0it/s, v_num=0, train_loss={}]",
    [0] * 5 + [1] * 5, [10, 20, 30, 40, 50] * 2, LOSSES,
)  # fmt: skip
TQDM = log("\r 10%|█    | {}/50 [00:10<00:10,  5.0it/s, loss={}]", [10, 20, 30, 40, 50] * 2, LOSSES)


def keras(last: str, drawn: str = "") -> str:
    return log("Epoch {}/10\n" + drawn + last, TEN, LOSSES)


KERAS_2 = keras(
    "200/200 [==============] - 58s 289us/step - loss: {} - val_loss: 2.6",
    "  1/200 [..............] - ETA: 5s - loss: 9.9\x08\x08\x08\r100/200 [==>.] - ETA: 5s - loss: 9.8\x08\r",
)
KERAS_3 = keras(
    "\x1b[1m200/200\x1b[0m \x1b[32m━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m8s\x1b[0m 9ms/step - a: 0.5 - loss: {}",
    "\x1b[1m 10/200\x1b[0m \x1b[32m━\x1b[0m\x1b[37m━━━\x1b[0m \x1b[1m8s\x1b[0m 9ms/step - loss: 9.9\r",
)
KERAS_OF_A_LINE = keras("200/200 - 58s - 289ms/step - loss: {} - val_loss: 2.6")
KERAS_ONE_BY_ONE = log("Iteration {}\nEpoch 1/1\n200/200 [====] - 58s 289us/step - loss: {}", TEN, LOSSES)
TENS = range(10, 110, 10)
OPENNMT = log(
    "[2024-01-01 10:00:00,000 INFO] Step {}/100000; acc: 2.5; ppl: 31129.17; xent: {}; lr: 0.0001; 20 sec;",
    range(50, 550, 50), LOSSES,
)  # fmt: skip
GPT_NEOX = log(
    " samples/sec: 30.112 | iteration {}/  320000 | learning rate: 6.000E-04 | lm_loss: {}E+00 | "
    "number of skipped iterations:   0 | number of nan iterations:   0 |",
    TENS, LOSSES,
)  # fmt: skip
MLX = "Iter 1: Val loss 8.900, Val took 10.2s\n" + log(
    "Iter {}: Train loss {}, Learning Rate 1.000e-05, It/sec 1.2, Trained Tokens 4000", TENS, LOSSES
)
LLAMA_FACTORY = log(
    "[INFO|2024-05-01 10:00:00] llamafactory.train.callbacks:143 >> {{'loss': {}, 'epoch': 0.{}}}",
    LOSSES, range(1, 11),
)  # fmt: skip
PYTORCH_EXAMPLE = log("Train Epoch: 1 [{}/60000 (1%)]\tLoss: {}", range(0, 6400, 640), LOSSES)
EPOCH_ABOVE = log(
    "Epoch: {:02} | Time: 0m 12s\n\tTrain Loss: {} | Train PPL: 90.0\n\t Val. Loss: 9.1 |  Val. PPL: 90.0",
    TEN, LOSSES,
)  # fmt: skip
COUNT_FIRST = log("[{}/1000 1.0%] loss={} lr=1e-4", TENS, LOSSES)
VERL_SFT = log("step:{} - train/loss:{} - train/lr(1e-3):0.01 - train/global_tokens:9", TENS, LOSSES)
IT = log("it {} | loss {} | 12 ms", TENS, LOSSES)


@pytest.mark.parametrize(
    ("content", "first", "last"),
    [
        (MINIMIND, 10, 100),
        (MINIMIND_OLD, 0, 90),
        (LLAMA2_C, 0, 9),
        (LITGPT, 1, 10),
        (LITGPT_OLD, 1, 10),
        (NEMO, 1, 10),
        (MAXTEXT, 1, 10),
        (COMPOSER, 1, 10),
        (COMPOSER_EPOCHS, 1, 10),
        (OLMO, 1, 10),
        (FAIRSEQ, 1, 10),
        (FAIRSEQ_OLD, 1000, 13000),
        (TORCHTITAN, 1, 10),
        (TIMM, 0, 90),
        (MMENGINE, 10, 100),
        (TORCHTUNE_BAR, 1, 10),
        (PRIME_RL_SFT, 1, 10),
        (SPREAD, 1, 10),
        (GENERAL, 1, 10),
        (PROGRESS, 1, 10),
        (WORD_LM, 200, 2000),
        (TUTORIAL, 100, 1000),
        (DICTIONARY_WITH_STEP, 1, 10),
        (LIGHTNING, 10, 100),
        (TQDM, 10, 100),
        (KERAS_2, 0, 9),
        (KERAS_3, 0, 9),
        (KERAS_OF_A_LINE, 0, 9),
        (KERAS_ONE_BY_ONE, 0, 9),
        (OPENNMT, 50, 500),
        (GPT_NEOX, 10, 100),
        (MLX, 10, 100),
        (LLAMA_FACTORY, 1, 10),
        (PYTORCH_EXAMPLE, 0, 5760),
        (EPOCH_ABOVE, 1, 10),
        (COUNT_FIRST, 10, 100),
        (IT, 10, 100),
        (VERL_SFT, 10, 100),
    ],
    ids=[
        "minimind", "minimind, older", "llama2.c", "litgpt", "litgpt, older", "NeMo", "MaxText", "composer",
        "composer by epochs", "OLMo", "fairseq", "fairseq, older", "torchtitan", "MAE and timm", "mmengine",
        "torchtune's bar", "prime-rl of answers", "logging", "any line", "any line among others",
        "batches before their word", "step of an epoch", "ms-swift", "Lightning's bar", "tqdm's bar",
        "Keras 2", "Keras 3", "Keras, a line an epoch", "Keras, epoch by epoch",
        "OpenNMT", "GPT-NeoX", "mlx-lm", "LLaMA-Factory", "examples of PyTorch", "epoch on the line above",
        "step of all, at first", "it", "verl's training on answers",
    ],
)  # fmt: skip
def test_the_losses_of_each_trainer_are_read_with_their_steps(
    file: Path, content: str, first: int, last: int
) -> None:
    assert is_recognised(file, content)
    found = curve(file, content)
    assert len(found) == 10
    assert (found[0], found[-1]) == ((first, 8.9), (last, 8.0))


TWICE, EPOCHS = [10, 20, 30, 40, 50] * 2, [1] * 5 + [2] * 5
FROM_0 = [0] * 5 + [1] * 5


@pytest.mark.parametrize(
    "content",
    [
        log("2026-01-02 10:00:00,123 - mmcls - INFO - Epoch [{}][{}/50]\tlr: 1.0e-02, memory: 9, loss: {}",
            EPOCHS, TWICE, LOSSES),
        log("[2026-01-02 10:00:00 swin_tiny] (main.py 218): INFO Train: [{}/2][{}/50]\tlr 1\t loss {} (9)",
            FROM_0, TWICE, LOSSES),
        log("Train: {} [{:>4d}/50 ( 20%)]  Loss: {} (9.12)  Time: 0.1s", FROM_0, TWICE, LOSSES),
        log("Epoch {}/1  ━━━━━━╸━━━━ {}/50 0:00:12 • 0:00:13 12.3it/s train_loss: {}", FROM_0, TWICE, LOSSES),
        log("| epoch {:03d}  {} / 50 loss={} (9.50), wps=21000, gnorm=2.1", EPOCHS, TWICE, LOSSES),
        log('2026-01-02 10:00:00 | INFO | train_inner | {{"epoch": 1, "loss": "{}", "num_updates": "{}"}}',
            LOSSES, TENS),
        log("{{'grad_norm': np.float32(0.5), 'loss': np.float64({}), 'step': {}}}", LOSSES, TENS),
        log("Epoch   1, Step:       {}, Batch Loss:     {}, Tokens per Sec: 9", TENS, LOSSES),
        log("step {} loss Array({}, dtype=float32)", TENS, LOSSES),
        log("{}/1000 (epoch 0), train_loss = {}, time/batch = 0.120", TENS, LOSSES),
        log("\r 10%|█    | {}/10.0k [00:10<00:10,  5.0it/s, loss={}]",
            [f"{step / 1000:.2f}k" for step in TENS], LOSSES),
        log("step {} | loss {}", [f"{step / 1000:.2f}k" for step in TENS], LOSSES),
        log("step {} | loss {} | lr 0,001", TENS, [loss.replace(".", ",") for loss in LOSSES]),
    ],
    ids=["mmcv", "Swin", "timm", "Lightning with rich", "fairseq of issue 301", "fairseq with JSON",
         "numbers of NumPy", "JoeyNMT", "arrays of JAX", "char-rnn", "a bar in thousands",
         "steps in thousands", "decimal commas"],
)  # fmt: skip
def test_the_same_losses_in_more_spellings_are_the_same(file: Path, content: str) -> None:
    assert is_recognised(file, content)
    assert curve(file, content) == list(zip(TENS, map(float, LOSSES), strict=True))


@pytest.mark.parametrize(
    "validates",
    [
        *("[val] step {} loss 9.1", "VAL step {} loss 9.1", "step {} (eval) loss 9.1"),
        *("Test: step {} loss 9.1", "step={} split=val loss=9.1", "eval: {{'step': {}, 'loss': 9.1}}"),
        "[2026-01-02 10:00:00] [eval] step {} loss 9.1",
        *("step {} loss 9.1 (eval)", "step {} loss 9.1 on validation set", "step {}: eval done, loss 9.1"),
        *("step {} validation: loss=9.1 ppl=20", "step {} test set loss: 9.1", "step={} loss=9.1 split=val"),
        *("step {} running val: loss 9.1", "step {} | lr 1e-3 | eval: loss 9.1", "step {} test: loss 9.1"),
        "2026-01-02 10:00:00,123 - train - INFO - step {} loss: 9.1 [test set]",
    ],
)
def test_a_line_that_says_that_it_is_of_validation_has_no_training_loss(file: Path, validates: str) -> None:
    lines = log("step {} loss {}\n" + validates, TENS, LOSSES, TENS)
    assert curve(file, lines) == list(zip(TENS, map(float, LOSSES), strict=True))
    assert curve(file, log(validates, TENS)) == [(step, 9.1) for step in TENS]
    _, remarks = read(file, log(validates, TENS))
    assert len(remarks) == 1


@pytest.mark.parametrize(
    "line",
    [
        *("step {} loss {} (eval 9.1)", "step {} loss {} val acc 0.5", "step {} | loss {} | acc 0.4 (val)"),
        *("step {} value 3 loss {}", "step {} evaluated 3 texts, loss {}", "step {} grads valid, loss {}"),
        *("step {} out/eval/a loss {}", "step {} [my-eval-2] loss {}", "step {} [exp1-test] loss {}"),
        *("step {} eval took 3.2 s, loss {}", "step {} next eval in 9, loss {}", "step {} run=test, loss {}"),
        *("step {} loss {}, evaluating on validation set", "step {} loss {} on test.txt"),
        *("step {} train loss {} (eval)", "step {} test mode off, loss {}", "step {} loss {} eval"),
    ],
)
def test_a_word_of_validation_that_is_of_something_else_leaves_the_loss_of_training(
    file: Path, line: str
) -> None:
    found, remarks = read(file, log(line, TENS, LOSSES))
    assert [(row.step, row.loss) for row in found] == list(zip(TENS, map(float, LOSSES), strict=True))
    assert remarks == []


OTHERS = [
    *("valid-loss", "best loss", "prev loss", "z-loss", "ema loss", "reg loss", "distill_loss", "aux-loss"),
    *("commitment loss", "minimum loss", "best-loss", "held-out loss", "l2 loss", "best val loss"),
]


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("line", ["step {} | {}: 0.1 | {}: {}", "[{}/200] {} 0.1, {} {}"])
@pytest.mark.parametrize("own", ["loss", "train-loss", "current loss", "LM loss", "language modelling loss"])
def test_a_loss_of_another_thing_is_not_read_as_that_of_training(
    file: Path, other: str, line: str, own: str
) -> None:
    rows = list(zip(TENS, map(float, LOSSES), strict=True))
    assert curve(file, log(line, TENS, [other] * 10, [own] * 10, LOSSES)) == rows
    alone = log(f"step {{}} {own} {{}}\nstep {{}} {other} 0.1", TENS, LOSSES, TENS)
    assert curve(file, alone) == rows


@pytest.mark.parametrize(
    "line",
    [
        *("step {} | smoothed loss 9.9 | loss {}", "step {} loss {} | total loss 9.9"),
        *("step {} my loss: 9.9, loss: {}", "step {} done with loss {}", "step {} 9 tok/s loss {}"),
        *("step {} took 9.9 min loss {}", "step {} 12ms loss {}", "step {} per-token loss {}"),
        *("step {} | nll_loss: 9.9 | loss: {}", "step {} head_1_loss: 9.9, loss: {}"),
        *("step {} cross entropy loss {}", "step {} new best! loss {}", "step {} training set loss {}"),
        "step {} loss {} best_val_loss 9.9",
    ],
)
def test_the_plainest_loss_on_a_line_counts_and_words_that_are_no_names_leave_it_plain(
    file: Path, line: str
) -> None:
    assert read(file, log(line, TENS, LOSSES))[1] == []
    assert curve(file, log(line, TENS, LOSSES)) == list(zip(TENS, map(float, LOSSES), strict=True))


def test_a_loss_may_have_commas_at_every_third_digit(file: Path) -> None:
    losses = ("132,995.5", "1,234,567", "2,500, lr: 0.1", "3,10,2")
    lines = "".join(f"step {step} loss: {loss}\n" for step, loss in enumerate(losses, start=1))
    assert curve(file, lines) == [(1, 132995.5), (2, 1234567.0), (3, 2500.0), (4, 3.0)]


# What is not a training loss


@pytest.mark.parametrize(
    "line",
    [
        "(TaskRunner pid=87031) step:{} - actor/pg_loss:0.001 - actor/loss:0.11 - critic/score/mean:0.5",
        "step:{} - train/loss:2.5 - actor/entropy:0.5",
        "step:{} - train/loss:2.5 - reward/mean:0.5",
        "step:{} - val-core/gsm8k/reward/mean@1:0.5",
        "Epoch:[1/1]({}/50), Reward: 0.5, KL_ref: 0.1, Actor Loss: 0.01, Avg Response Len: 20",
        "10:00:00    INFO Step {} | Time: 5.66s | Loss: 0.0010 | Entropy: 0.3 | Mismatch KL: 0.001",
        "Global step {}: {{'policy_loss': 0.01, 'reward': 0.5, 'kl': 0.1}}",
        "[2026-01-02 10:00:00] model.py:1 - step {}: {{'train/loss': 0.01, 'train/pg_loss': 0.1}}",
        "Train epoch [1/1]:  10%|██   | {}/10 [00:10<00:10,  5.0s/it, policy_loss=-0.001, reward=0.5]",
    ],
    ids=[
        *("verl", "verl with a loss", "verl with a reward", "verl's validation", "minimind", "prime-rl"),
        *("OpenRLHF", "slime", "OpenRLHF's bar"),
    ],
)
def test_a_policys_loss_is_not_read_and_the_log_says_so(file: Path, line: str) -> None:
    content = log(line, TEN)
    assert is_recognised(file, content)
    found, remarks = read(file, content)
    assert found == []
    assert [remark.split(": ")[1] for remark in remarks] == ["a log of reinforcement learning"]


def test_a_step_may_be_written_in_groups_of_three(file: Path) -> None:
    assert curve(file, "Step 1,000/20,000 | loss 2.5\nStep 2,000/20,000 | loss 2.25\n") == [
        (1000, 2.5),
        (2000, 2.25),
    ]


def test_estimates_and_losses_of_validation_are_called_that(file: Path) -> None:
    _, remarks = read(file, "step 0: train loss 4.2, val loss 4.3\nstep 250: train loss 2.0, val loss 2.1\n")
    assert ["estimates of the training loss" in remark for remark in remarks] == [True]
    _, remarks = read(file, "s:0 tel:10.9\ns:250 tel:6.9\n")
    assert ["of validation" in remark for remark in remarks] == [True]
    assert read(file, "step 0 | loss 4.2\n")[1] == []


@pytest.mark.parametrize(
    "content",
    [
        log("at step {} the loss {} of the miller was great", [5, 3], [1, 2]),
        log(
            "at step {} he said loss {}, and went on\nto the river\nby the mill\n", [5, 3, 9, 1], [1, 2, 3, 4]
        ),
        "at step 3 he said loss 2, and went on\n" * 20,
        log(
            "at step {} he said loss {}, and went on", [50, 3, 40, 10, 45, 20, 44, 9, 41, 8, 43, 7], range(12)
        ),
    ],
    ids=["two lines", "few among others", "one step", "steps that fall"],
)
def test_lines_that_are_few_or_whose_steps_fall_are_not_a_trainers(file: Path, content: str) -> None:
    assert not is_recognised(file, content)
    assert curve(file, content) == []


@pytest.mark.slow
def test_a_log_whose_first_loss_stands_behind_a_megabyte_of_bars_is_known(file: Path) -> None:
    bars = "".join(
        f"\rMap:  10%|█    | {done}/90000 [00:00<00:01, 4000.0 examples/s]" for done in range(20_000)
    )
    assert is_recognised(file, bars + "\n" + LLAMA2_C)
    assert not is_recognised(file, bars + "\nready\n")


# Steps that must be worked out


class Trainer:
    """Prints as the Hugging Face Trainer does: dictionaries on one stream, the bar on the other."""

    def __init__(self, total: int, epochs: float, every: int, buffered: int, digits: int = 2) -> None:
        self.total, self.epochs, self.every, self.digits = total, epochs, every, digits
        self.buffered, self.out, self.held = buffered, "", list[str]()

    def print(self, text: str) -> None:
        self.held.append(text)
        if len(self.held) >= self.buffered:
            self.flush()

    def flush(self) -> None:
        self.out += "".join(self.held)
        self.held.clear()

    def bar(self, step: int, total: int | None = None, name: str = "") -> None:
        total = total or self.total
        self.out += f"\r{name}{100 * step // total:3d}%|#    | {step}/{total} [00:01<00:30,  1.9it/s]"

    def run(
        self,
        start: int = 0,
        end: int | None = None,
        first: bool = False,
        evaluate: int = 0,
        finish: bool = True,
    ) -> "Trainer":
        self.bar(0)
        for step in range(start + 1, (end or self.total) + 1):
            self.bar(step)
            epoch = round(step / self.total * self.epochs, self.digits)
            if step % self.every == 0 or (first and step == 1):
                self.print(f"{{'loss': {9 - step / 1000}, 'grad_norm': 1.5, 'epoch': {epoch}}}\n")
                if self.buffered == 1:
                    self.bar(step)
            if evaluate and step % evaluate == 0:
                for done in range(1, 41):
                    self.bar(done, 40)
                self.print(f"{{'eval_loss': 2.5, 'eval_runtime': 1.5, 'epoch': {epoch}}}\n")
        if finish:
            self.print(f"{{'train_runtime': 12.5, 'train_loss': 2.9, 'epoch': {self.epochs}}}\n")
            self.flush()
        return self


def steps(file: Path, content: str) -> list[int]:
    return [row.step for row in read(file, content)[0]]


@pytest.mark.parametrize("buffered", [1, 5, 7, 1000])
@pytest.mark.parametrize(
    ("total", "epochs", "every"),
    [(100, 2, 10), (1860, 3, 10), (300, 3, 100), (1000, 1.37, 25), (437, 1, 5), (5000, 0.5, 20), (60, 3, 1)],
)
def test_steps_of_dictionaries_follow_from_epochs_and_the_bar(
    file: Path, buffered: int, total: int, epochs: float, every: int
) -> None:
    content = Trainer(total, epochs, every, buffered).run().out
    assert steps(file, content) == list(range(every, total + 1, every))


def test_evaluations_between_and_other_bars_do_not_disturb_them(file: Path) -> None:
    trainer = Trainer(200, 2, 10, buffered=8)
    for done in range(500):
        trainer.bar(done, 500, "Tokenizing: ")
    for done in range(5):
        trainer.bar(done, 5, "Loading checkpoint shards: ")
    assert steps(file, trainer.run(evaluate=50).out) == list(range(10, 201, 10))


def test_a_dictionary_that_a_bar_has_torn_is_put_together(file: Path) -> None:
    content = Trainer(100, 2, 10, buffered=5).run().out
    at = content.index("{'loss': 8.97") + 20
    bar = "\r 50%|#    | 50/100 [00:01<00:30,  1.9it/s]"
    assert steps(file, content[:at] + bar + bar + content[at:]) == list(range(10, 101, 10))


def test_losses_that_are_missing_leave_the_steps_of_the_others(file: Path) -> None:
    lines = Trainer(100, 2, 10, buffered=5).run().out.splitlines(keepends=True)
    content = "".join(line for line in lines if "8.97" not in line and "8.96" not in line)
    assert steps(file, content) == [10, 20, 50, 60, 70, 80, 90, 100]


def test_a_first_step_that_is_logged_is_the_first(file: Path) -> None:
    content = Trainer(200, 2, 10, buffered=8).run(first=True).out
    assert steps(file, content) == [1, *range(10, 201, 10)]


def test_a_resumed_training_goes_on_with_its_steps(file: Path) -> None:
    content = Trainer(1000, 2, 10, buffered=8).run(start=500).out
    assert steps(file, content) == list(range(510, 1001, 10))


def test_of_a_training_that_was_killed_what_was_written_is_read(file: Path) -> None:
    content = Trainer(100, 2, 10, buffered=5).run(end=87, finish=False).out
    assert steps(file, content) == [10, 20, 30, 40, 50]


def test_two_trainings_in_one_log_have_a_bar_each(file: Path) -> None:
    content = Trainer(100, 2, 10, buffered=5).run().out + Trainer(60, 3, 5, buffered=7).run().out
    found, _ = read(file, content)
    assert [row.step for row in found] == [*range(10, 101, 10), *range(5, 61, 5)]
    assert [row.run for row in found] == ["phase 1"] * 10 + ["phase 2"] * 12


def test_where_nothing_tells_the_steps_the_losses_are_counted_and_the_log_says_so(file: Path) -> None:
    content = "".join(f"{{'loss': {9 - step / 10}, 'epoch': {step / 10}}}\n" for step in TEN)
    found, remarks = read(file, content)
    assert [row.step for row in found] == list(TEN)
    assert remarks == [f"{file}: its losses have no steps; they are numbered"]
    assert read(file, Trainer(100, 2, 10, buffered=5).run().out)[1] == []


@pytest.mark.parametrize(
    ("epochs", "done", "total", "expected"),
    [
        ([math.nan] * 10, 100, 100, list(range(10, 101, 10))),
        ([0.0] * 10, 100, 5000, list(range(10, 101, 10))),
        ([0.1, 0.2], 1, 100, None),
    ],
)
def test_without_epochs_the_bar_and_the_number_of_losses_tell(
    epochs: Sequence[float], done: int, total: int, expected: list[int] | None
) -> None:
    assert spaced(epochs, done, total) == expected


@given(
    st.lists(st.floats() | st.floats(0, 3).map(lambda epoch: round(epoch, 2)), min_size=1, max_size=20),
    st.integers(0, 10**15),
    st.integers(1, 10**15),
    st.none() | st.floats(),
)
def test_whatever_dictionaries_and_bars_tell_steps_rise_and_none_is_behind_the_bar(
    epochs: list[float], done: int, total: int, whole: float | None
) -> None:
    for given_epochs in (epochs, sorted(epochs)):
        found = spaced(given_epochs, done, total, whole)
        assert found is None or (found == sorted(set(found)) and found[0] >= 1 and found[-1] <= done)


# Ranks and phases


def test_rows_of_all_ranks_count_once(file: Path) -> None:
    named = "".join(f"[rank{rank}]: step {step}: loss {step}.{rank}\n" for step in TEN for rank in (1, 0, 2))
    assert curve(file, named) == [(step, step + 0.1) for step in TEN]
    alike = "".join(f"step {step}: loss {step}.5\n" * 3 for step in TEN)
    assert curve(file, alike) == [(step, step + 0.5) for step in TEN]


def test_of_rows_of_one_step_the_one_that_is_not_finite_is_kept(file: Path) -> None:
    found = curve(file, "step 1: loss 2.5\nstep 2: loss nan\nstep 2: loss 2.5\nstep 3: loss 2.5\n")
    assert [(step, math.isfinite(loss)) for step, loss in found] == [(1, True), (2, False), (3, True)]


def test_steps_that_begin_anew_below_each_heading_of_an_epoch_are_counted_on(file: Path) -> None:
    content = "".join(
        f"--- Epoch {epoch}/3 ---\n" + log("step {}/50: loss 2.5", [10, 30, 50]) for epoch in (1, 2, 3)
    )
    assert [step for step, _ in curve(file, content)] == [10, 30, 50, 60, 80, 100, 110, 130, 150]


def two_phases(line: Callable[[int], str]) -> str:
    return "".join(map(line, TEN)) + "".join(map(line, range(1, 6)))


def test_where_the_steps_begin_anew_another_run_begins(file: Path) -> None:
    content = two_phases(lambda step: f"step {step} | loss 2.5\nSample 1: once\n")
    found, _ = read(file, content)
    assert [row.run for row in found] == ["phase 1"] * 10 + ["phase 2"] * 5
    samples = list(logs.samples(Part(str(file)), Problems()))
    assert [sample.run for sample in samples] == ["phase 1"] * 10 + ["phase 2"] * 5


def test_a_fall_to_a_later_step_is_a_restart_and_the_run_the_same(file: Path) -> None:
    content = log("step {} | loss 2.5", [1, 2, 3, 4, 2, 3, 4, 5])
    assert {row.run for row in read(file, content)[0]} == {None}


def test_an_evaluation_that_counts_its_own_steps_is_no_run_and_the_log_says_so(file: Path) -> None:
    evaluation = "Evaluating\n  step 1/3 loss 9.0\n  step 2/3 loss 9.1\n  step 3/3 loss 9.2\n"
    content = log("step {} loss {}\n" + evaluation + "Sample 1: once", TENS, LOSSES)
    found, remarks = read(file, content)
    assert [(row.step, row.loss, row.run) for row in found] == [
        (step, float(loss), None) for step, loss in zip(TENS, LOSSES, strict=True)
    ]
    assert [remark.split(": ")[1] for remark in remarks] == ["30 losses are left out"]
    assert [sample.step for sample in logs.samples(Part(str(file)), Problems())] == list(TENS)


@pytest.mark.parametrize(
    ("totals", "told"),
    [
        ([9] * 4 + [8] * 3 + [9] * 3, [1, 2, 3, 4, 1, 2, 3, 5, 6, 7]),
        ([50, 51] * 5, [50, 51] * 5),
        ([9, 9, 8, 8, 8, 9, 9, 9, 8, 8], [1, 5, 1, 2, 9, 1, 2, 9, 1, 8]),
        ([0] * 4 + [8] * 2 + [0] * 4, [1, 2, 3, 4, 2, 3, 2, 3, 4, 5]),
    ],
    ids=["a single run between", "epochs of two lengths", "runs of two lengths", "a restart that goes back"],
)
def test_runs_of_other_lengths_are_not_taken_for_evaluations(
    file: Path, totals: list[int], told: list[int]
) -> None:
    content = log("step {}{} | loss 2.5", told, [f"/{total}" if total else "" for total in totals])
    assert len(read(file, content)[0]) == len(told)


def test_a_log_that_has_grown_is_read_anew(file: Path) -> None:
    assert curve(file, "step 1 | loss 2.5\n") == [(1, 2.5)]
    assert curve(file, "step 1 | loss 2.5\nstep 2 | loss 2.25\n") == [(1, 2.5), (2, 2.25)]
