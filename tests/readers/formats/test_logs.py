"""Training logs, in the shape in which each trainer prints them: losses, samples, and what is neither."""

import math
from itertools import chain
from pathlib import Path

import pytest
from cost import memory
from hypothesis import given
from hypothesis import strategies as st
from logged_lines import lines_of

from coherence.readers.formats.logs import reader as logs
from coherence.readers.formats.logs import samples as log_samples
from coherence.readers.formats.logs.lines import Line
from coherence.readers.formats.logs.shapes import entry_of
from coherence.readers.lines import Part, Problems, read_head
from coherence.readers.records import LossRow, Sample


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "train.log"


def write(path: Path, content: str | bytes) -> None:
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def samples_of(path: Path, content: str | bytes) -> tuple[list[Sample], Problems]:
    write(path, content)
    problems = Problems()
    return list(logs.samples(Part(str(path)), problems)), problems


def losses_of(path: Path, content: str | bytes) -> tuple[list[LossRow], Problems]:
    write(path, content)
    problems = Problems()
    return list(logs.losses(Part(str(path)), problems)), problems


def curve(path: Path, content: str | bytes) -> list[tuple[int, float]]:
    losses, problems = losses_of(path, content)
    assert problems.count == 0
    return [(row.step, row.loss) for row in losses]


def told(path: Path, content: str | bytes) -> list[tuple[int | None, str]]:
    samples, problems = samples_of(path, content)
    assert problems.count == 0
    return [(sample.step, sample.text) for sample in samples]


def is_recognised(path: Path, content: str | bytes) -> bool:
    write(path, content)
    return logs.recognise(read_head(str(path)))


# The trainers, one by one. Texts and figures are made up, the shape is theirs.

LLM_C_MAIN = """\
s:0 tel:10.9000
s:0 trl:10.8000 lr:0.000001 norm:15.37
s:1 trl:10.1000 lr:0.000002 norm:14.20
s:250 eval:0.2512
s:250 tel:6.9000
"""

LLM_C = """\
+-----------------------+----------------------------------------------------+
| Parameter             | Value                                              |
+-----------------------+----------------------------------------------------+
| learning rate (LR)    | 6.000000e-04                                       |
+-----------------------+----------------------------------------------------+
=> setting grad_accum_steps=1
val loss 10.900000
step    1/18865 | train loss 10.800000 | norm 15.3700 | lr 8.57e-07 | (3056.36 ms | 171545 tok/s)
step    2/18865 | loss 10.100000 (+nanz)| norm 14.2000 (+nanz)| lr 1.71e-06 | 3056.36 ms | 42.6% bf16 MFU | 171545 tok/s
                  compute 99.0% | memory: 35.1% | fan: 60% | 1980 MHz / 1980 MHz | 400 W / 400 W | 60\u00b0C / 90\u00b0C |
val loss 6.900000
HellaSwag: 2500/10042 = 0.248954
generating:
---
The river ran past the mill,
---
and step 9 | loss of heart
 was how it ended.
---
Writing model to log124M/model_00000002.bin
step    3/18865 | loss 9.500000 (+0.10z)| norm 3.1000 (-0.20z)| lr 2.57e-06 | 3056.36 ms | 42.6% bf16 MFU | 171545 tok/s
generating:
---

---
total average iteration time: 3056.000000 ms
"""  # noqa: E501 - as the trainer writes it

LLM_C_PYTHON = """\
Running pytorch 2.4.0
using device: cpu
val loss 10.9
---------------
<|endoftext|>a mill by
the river
---------------
step    1/20 | train loss 10.800000 | norm 15.3700 | lr 1.00e-04 | (500.12 ms | 512 tok/s)
---------------
<|endoftext|>a river
---------------
step    2/20 | train loss 10.100000 | norm 14.3700 | lr 1.00e-04 | (500.12 ms | 512 tok/s)
final 1 iters avg: 500.123ms
"""

BUILD_NANOGPT_LOG = """\
0 val 10.9500
0 hella 0.2463
0 train 10.874892
1 train 10.512345
250 val 6.1000
"""

BUILD_NANOGPT = """\
using device: cuda
=> calculated gradient accumulation steps: 4
step   248 | loss: 6.100000 | lr 2.0979e-04 | norm: 1.2000 | dt: 350.00ms | tok/sec: 1500000.00
step   249 | loss: 6.000000 | lr 2.0979e-04 | norm: 1.1000 | dt: 350.00ms | tok/sec: 1500000.00
validation loss: 6.0500
HellaSwag accuracy: 2500/10042=0.2490
rank 3 sample 0: Hello, I'm a language model, and I
went home: a long way.
rank 3 sample 1: Hello, I'm a language model,
rank 0 sample 0: Hello, I'm a language model, Budy Budy
step   250 | loss: 5.900000 | lr 2.1399e-04 | norm: 1.0000 | dt: 350.00ms | tok/sec: 1500000.00
"""

MODDED_CODE = '''\
import os
import sys
with open(sys.argv[0]) as f:
    code = f.read() # read the code of this file ASAP, for logging
"""
Sample 1:
generating:
---
no sample
---
Prompt: none
Completion: none either
rank 0 sample 0: nor this
"""
print0(f"step:{step}/{train_steps} val_loss:{val_loss:.4f} train_time:{training_time_ms:.0f}ms")
print(f"iter {iter_num}: loss {lossf:.4f}, time {dt*1000:.2f}ms")
# step 250: train loss 2.0, val loss 2.1
'''

MODDED_NANOGPT = (
    "=" * 100
    + "\n"
    + MODDED_CODE
    + "=" * 100
    + """
Running PyTorch 2.6.0 compiled for CUDA 12.6
====================================================================================================
step:0/1390 val_loss:10.8258 train_time:0ms step_avg:nanms
step:1/1390 train_time:92ms step_avg:nanms
step:125/1390 val_loss:4.5000 train_time:15000ms step_avg:130.00ms
step:1390/1390 val_loss:3.2773 train_time:180000ms step_avg:130.43ms
peak memory allocated: 31000 MiB reserved: 34000 MiB
"""
)

NANOGPT = """\
tokens per iteration will be: 16,384
number of parameters: 10.65M
step 0: train loss 4.2874, val loss 4.2823
iter 0: loss 4.2664, time 9000.00ms, mfu -100.00%
iter 10: loss 3.2500, time 50.00ms, mfu 3.10%
step 250: train loss 2.0000, val loss 2.1000
saving checkpoint to out-shakespeare-char
iter 250: loss 1.9500, time 9000.00ms, mfu 3.10%
"""

NANOGPT_SAMPLES = """\
Overriding: out_dir = out-shakespeare-char
number of parameters: 10.65M
Loading meta from data/shakespeare_char/meta.pkl...

The first of the tales
is two lines long.
---------------
The second one.
---------------
"""

NANOCHAT = """\
Vocab size: 65,536
Model config:
{
  "sequence_len": 2048
}
step 00499/01000 (49.90%) | loss: 3.400000 | lrm: 1.00 | dt: 500.00ms | tok/sec: 1,000,000 | bf16_mfu: 50.00 | epoch: 1 | total time: 4.00m
Step 00500 | Validation bpb: 0.987654
Step 00500 | CORE metric: 0.1234
<|bos|>The opposite of hot is cold.
If it is
<|bos|>My favorite color is red red red red
step 00500/01000 (50.00%) | loss: 3.300000 | lrm: 1.00 | dt: 500.00ms | tok/sec: 1,000,000 | bf16_mfu: 50.00 | epoch: 1 | total time: 4.10m | eta: 4.0m
Step 01000 | Validation bpb: 0.887654
<|bos|>The opposite of hot is cold.
Peak memory usage: 30000.00MiB
Minimum validation bpb: 0.887654
"""  # noqa: E501 - as the trainer writes it

MEGATRON = """\
[before the start of training step] datetime: 2026-01-01 00:00:00
 [2026-01-01 00:00:10.123456] iteration       10/     100 | consumed samples:          320 | elapsed time per iteration (ms): 500.0 | learning rate: 1.000000E-05 | global batch size:    32 | lm loss: 1.012345E+01 | load_balancing_loss: 1.100000E+00 | loss scale: 1.0 | grad norm: 2.345 | number of skipped iterations:   0 | number of nan iterations:   0 |
-------------------------------------------------------------------------------------
 validation loss at iteration 10 | lm loss value: 9.900000E+00 | lm loss PPL: 1.993000E+04 |
-------------------------------------------------------------------------------------
 iteration       20/     100 | consumed samples:          640 | learning rate: 1.000000E-05 | lm loss: 9.000000E+00 | loss scale: 1.0 | number of skipped iterations:   0 | number of nan iterations:   0 |
 iteration       30/     100 | consumed samples:          960 | learning rate: 1.000000E-05 | lm loss: 0.000000E+00 | loss scale: 65536.0 | number of skipped iterations:  10 | number of nan iterations:   0 |
"""  # noqa: E501 - as the trainer writes it

TORCHTUNE = """\
Step 1 | loss:2.1000 lr:0.0003 tokens_per_second_per_gpu:120.5\x20
Step 2 | loss:2.0500 lr:0.0003 tokens_per_second_per_gpu:121.5\x20
Step 2 | val_loss:2.5\x20
"""

HUGGING_FACE = (
    "{'loss': '2.5', 'grad_norm': '1.25', 'learning_rate': '5e-05', 'epoch': '0.1'}\n"
    "{'loss': 2.25, 'grad_norm': 1.0, 'learning_rate': 4e-05, 'epoch': 0.2}\n"
    "{'eval_loss': 2.4, 'eval_runtime': 1.5, 'epoch': 0.2}\n"
    " 40%|████      | 4/10 [00:00<00:01,  7.21it/s]{'loss': 2.0, 'epoch': 0.4}\n"
    "{'train_runtime': 12.5, 'train_samples_per_second': 2.1, 'train_loss': 2.9, 'epoch': 1.0}\n"
)

GPT2_SIMPLE = """\
Training...
[10 | 25.04] loss=3.21 avg=3.25
[20 | 50.04] loss=3.11 avg=3.15
======== SAMPLE 1 ========
 of the mill, and
the river.

[30 | 75.04] loss=3.01 avg=3.05
Saving checkpoint/run1/model-30
"""

BAR = "=" * 80
AXOLOTL = f"""\
{{'loss': 2.5, 'epoch': 0.1}}
\x1b[1m\x1b[36m{BAR}\x1b[0m
\x1b[1m\x1b[32mSample 1 (Step 250)\x1b[0m
\x1b[1m\x1b[36m{BAR}\x1b[0m
\x1b[1m\x1b[33m[PROMPT]\x1b[0m
Tell me
a tale.

\x1b[1m\x1b[35m[GENERATED]\x1b[0m
Once upon
a time.
\x1b[1m\x1b[36m{BAR}\x1b[0m

\x1b[1m\x1b[36m{BAR}\x1b[0m
\x1b[1m\x1b[32mSample 2 (Step 250)\x1b[0m
\x1b[1m\x1b[36m{BAR}\x1b[0m
\x1b[1m\x1b[33m[PROMPT]\x1b[0m
Tell me more.

\x1b[1m\x1b[35m[GENERATED]\x1b[0m

\x1b[1m\x1b[36m{BAR}\x1b[0m
{{'loss': 2.25, 'epoch': 0.2}}
"""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (LLM_C_MAIN, [(0, 10.8), (1, 10.1)]),
        (LLM_C, [(1, 10.8), (2, 10.1), (3, 9.5)]),
        (LLM_C_PYTHON, [(1, 10.8), (2, 10.1)]),
        ("step 0: train loss 5.356189 (took 1234.567 ms)\n", [(0, 5.356189)]),
        (BUILD_NANOGPT_LOG, [(0, 10.874892), (1, 10.512345)]),
        (BUILD_NANOGPT, [(248, 6.1), (249, 6.0), (250, 5.9)]),
        (NANOGPT, [(0, 4.2664), (10, 3.25), (250, 1.95)]),
        ("iter_dt 9.50ms; iter 100: train loss 2.69000\n", [(100, 2.69)]),
        (NANOCHAT, [(499, 3.4), (500, 3.3)]),
        (MEGATRON, [(10, 10.12345), (20, 9.0)]),
        (TORCHTUNE, [(1, 2.1), (2, 2.05)]),
        (HUGGING_FACE, [(1, 2.5), (2, 2.25), (4, 2.0)]),
        (GPT2_SIMPLE, [(10, 3.21), (20, 3.11), (30, 3.01)]),
        ("step:6200/6200 train_loss:3.25 train_time:1ms\nstep:6200/6200 val_loss:3.27\n", [(6200, 3.25)]),
    ],
    ids=[
        "llm.c, main.log", "llm.c", "llm.c in Python", "llm.c on a processor", "build-nanogpt, log.txt",
        "build-nanogpt", "nanoGPT", "minGPT", "nanochat", "Megatron", "torchtune", "Hugging Face",
        "gpt-2-simple", "modded-nanogpt, its early records",
    ],
)  # fmt: skip
def test_each_trainers_training_losses_are_read(
    file: Path, content: str, expected: list[tuple[int, float]]
) -> None:
    assert is_recognised(file, content)
    assert curve(file, content) == expected
    assert curve(file, content.replace("\n", "\r\n")) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (MODDED_NANOGPT, [(0, 10.8258), (125, 4.5), (1390, 3.2773)]),
        (
            MODDED_CODE + MODDED_NANOGPT.partition("=" * 100 + "\nRunning")[2],
            [(0, 10.8258), (125, 4.5), (1390, 3.2773)],
        ),
        ("s:0 tel:10.9\ns:250 tel:6.9\n", [(0, 10.9), (250, 6.9)]),
        (
            " validation loss at iteration 10 | lm loss value: 9.900000E+00 | lm loss PPL: 1E+04 |\n",
            [(10, 9.9)],
        ),
        ("step 0 | val loss 4.3\nstep 0: train loss 4.2, val loss 4.3\n", [(0, 4.2)]),
        (
            "step 0: train loss 4.2, val loss 4.3\nstep 250: train loss 2.0, val loss 2.1\n",
            [(0, 4.2), (250, 2.0)],
        ),
    ],
    ids=[
        "modded-nanogpt",
        "modded-nanogpt, its later records",
        "validation alone",
        "validation of Megatron",
        "both",
        "estimates alone",
    ],
)
def test_where_there_is_no_training_loss_the_next_best_is_read(
    file: Path, content: str, expected: list[tuple[int, float]]
) -> None:
    assert is_recognised(file, content)
    assert curve(file, content) == expected


@pytest.mark.parametrize(
    "line",
    [
        "Epoch 3, Step 120, Loss: 2.5",
        "epoch 1/3 | step 120/500 | loss 2.5 | lr 1e-4",
        "[step 120] loss: 2.5",
        "Step 120: loss = 2.5",
        "step=120 loss=2.5",
        "Iteration 120 | Train Loss 2.5000",
        "global_step 120 train_loss 2.5",
        "2026-01-02 03:04:05,678 - INFO - step 120 loss 2.5",
        "INFO:trainer:step=120 loss=2.5",
        "[rank0]: [2026-01-02 03:04:05] step 120 | aux loss: 0.01 | z_loss: 0.1 | loss: 2.5",
    ],
)
def test_any_script_that_begins_with_the_step_and_names_the_loss_is_read(file: Path, line: str) -> None:
    assert curve(file, line) == [(120, 2.5)]


@pytest.mark.parametrize(
    "line",
    [
        # prose and code
        "the loss fell to 2.5 at step 3",
        "Step 3: mix the flour with two eggs",
        "step 3 is where the loss of heart began",
        'print(f"step {step} | loss {loss}")',
        "# step 250: train loss 2.0",
        '{"step": 1, "loss": 2.5}',
        "12 train tracks",
        "{'lr': 0.1, 'batch_size': 8}",
        # no step, no number
        "step 5.5 loss 3",
        "step 99999999999999999999 | loss 2.5",
        "step " + "9" * 5000 + " | loss 2.5",
        "step 5 | loss: low",
        "s:1 trl:low",
        "step 5 | " + "x" * 10_000 + " loss 2.5",
        "",
    ],
)
def test_what_is_no_line_of_a_trainer_is_none(line: str) -> None:
    assert entry_of(line) is None


def test_the_loss_of_reinforcement_learning_is_another_thing(file: Path) -> None:
    line = "Step 3/100 | Example step 0 | Pass 0 | loss: -0.123456 | Average reward: 0.25"
    assert curve(file, line) == []


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("{'loss': 0.69, 'rewards/chosen': 0.1, 'epoch': 0.1}", "reward"),
        ("{'loss': 0.0, 'kl': 0.001, 'epoch': 0.1}", "kl"),
        ("step 3 | loss: 0.69 | reward: 0.25", "reward"),
        ("step 3 | loss: 0.69 | mean_kl=0.25", "kl"),
        ("step 3 | loss: 2.69 | kl loss: 0.25", None),
        ("step 3 | loss: 2.69 | lr: 0.25", None),
        ("{'loss': 0.69, 'grad_norm': 0.1}", None),
    ],
)
def test_what_is_logged_with_a_loss_tells_that_it_is_not_a_cross_entropy(
    file: Path, line: str, kind: str | None
) -> None:
    losses, _ = losses_of(file, line)
    assert [row.beside for row in losses] == [kind]


# A loss that is none


@pytest.mark.parametrize(
    "line",
    [
        "s:20 trl:nan lr:0.000002 norm:nan",
        "20 train nan",
        "step    20 | loss: nan | lr 8.3e-06 | norm: nan | dt: 350.00ms",
        "iter 20: loss nan, time 50.00ms, mfu 3.10%",
        "step:20/1390 train_loss:inf train_time:92ms",
        "Step 20 | loss:NaN lr:0.0003",
        # left out by Megatron, where the norm or a count tells
        " iteration 20/ 100 | loss scale: 1.0 | grad norm: nan | number of nan iterations: 0 |",
        " iteration 20/ 100 | number of skipped iterations: 1 | number of nan iterations: 1 |",
        # logged as zero beside a norm that is none
        "s:20 trl:0.0000 lr:0.000002 norm:nan",
        "step 20 | loss: 0.000000 | norm: nan",
    ],
)
def test_a_loss_that_is_not_finite_is_read_and_noted(file: Path, line: str) -> None:
    losses, problems = losses_of(file, line + "\n")
    assert [(row.step, math.isfinite(row.loss)) for row in losses] == [(20, False)]
    assert [(p.line, p.message) for p in problems.listed] == [(1, "the loss at step 20 is not finite")]


def test_a_zero_of_the_hugging_face_trainer_beside_a_norm_that_is_none_is_a_nan(file: Path) -> None:
    losses, problems = losses_of(file, "{'loss': '0', 'grad_norm': 'nan', 'epoch': '0.1'}\n")
    assert [math.isnan(row.loss) for row in losses] == [True]
    assert problems.count == 1


# Samples


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            LLM_C,
            [
                (2, "The river ran past the mill,\n---\nand step 9 | loss of heart\n was how it ended."),
                (3, ""),
            ],
        ),
        (
            LLM_C_PYTHON,
            [(1, "<|endoftext|>a mill by\nthe river"), (1, "<|endoftext|>a river")],
        ),
        (
            BUILD_NANOGPT,
            [
                (250, "Hello, I'm a language model, and I\nwent home: a long way."),
                (250, "Hello, I'm a language model,"),
                (250, "Hello, I'm a language model, Budy Budy"),
            ],
        ),
        (NANOGPT_SAMPLES, [(None, "The first of the tales\nis two lines long."), (None, "The second one.")]),
        (
            NANOCHAT,
            [
                (500, "<|bos|>The opposite of hot is cold.\nIf it is"),
                (500, "<|bos|>My favorite color is red red red red"),
                (1000, "<|bos|>The opposite of hot is cold."),
            ],
        ),
        (GPT2_SIMPLE, [(20, " of the mill, and\nthe river.")]),
        (AXOLOTL, [(250, "Once upon\na time."), (250, "")]),
        (MODDED_NANOGPT, []),
        (MODDED_CODE, []),
        (NANOGPT, []),
        (MEGATRON, []),
        (HUGGING_FACE, []),
    ],
    ids=[
        "llm.c", "llm.c in Python", "build-nanogpt", "nanoGPT, sample.py", "nanochat", "gpt-2-simple",
        "axolotl", "modded-nanogpt", "its code alone", "nanoGPT", "Megatron", "Hugging Face",
    ],
)  # fmt: skip
def test_each_trainers_samples_are_read_with_their_steps(
    file: Path, content: str, expected: list[tuple[int | None, str]]
) -> None:
    assert told(file, content) == expected
    assert told(file, content.replace("\n", "\r\n")) == expected


def test_a_sample_stands_where_its_marker_stands_with_its_prompt(file: Path) -> None:
    first, second = samples_of(file, AXOLOTL)[0]
    assert (first.prompt, second.prompt) == ("Tell me\na tale.", "Tell me more.")
    assert (first.file, first.line, second.line) == (str(file), 3, 15)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # headers with numbers, ruled or not
        (
            "step 9 loss 3\nSample 1\n-----\nonce\n-----\nSample 2\n-----\ntwice\n-----\n",
            [(9, "once"), (9, "twice")],
        ),
        ("step 9 loss 3\nSample 1:\nonce\n\nupon\n\nSample 2:\ntwice\n", [(9, "once\n\nupon"), (9, "twice")]),
        ("step 9 loss 3\n--- Sample 1/2 ---\nonce\n--- Sample 2/2 ---\ntwice", [(9, "once"), (9, "twice")]),
        ("step 9 loss 3\nSample 1: once\nupon\nSample 2: twice\n", [(9, "once\nupon"), (9, "twice")]),
        (
            "step 9 loss 3\n=====\nSample 1\n-----\nonce\n=====\nSample 2\n-----\ntwice\n=====\n",
            [(9, "once"), (9, "twice")],
        ),
        # headers with steps
        ("Sample 1 (step 5)\nonce\nSample 1 (step 10)\ntwice\n", [(5, "once"), (10, "twice")]),
        (
            "=== Samples at step 5 ===\nonce\n=== Samples at step 10 ===\ntwice\n",
            [(5, "once"), (10, "twice")],
        ),
        (
            "== Samples at step 5 ==\nSample 1: once\nSample 2: twice\n== step 10 ==\nSample 1: thrice",
            [(5, "once"), (5, "twice"), (10, "thrice")],
        ),
        ("[step 5] sample 0: once\n[step 10] sample 0: twice\n", [(5, "once"), (10, "twice")]),
        # headings of their own, plain or not
        ("--- step 5 ---\nSample 1\nonce\n--- step 10 ---\nSample 1\ntwice\n", [(5, "once"), (10, "twice")]),
        ("Step 5\nSample 1\nonce\n\nStep 10:\nSample 1\ntwice\n", [(5, "once"), (10, "twice")]),
        # labels
        (
            "step 9 loss 3\nPrompt: Once\nCompletion:  upon\na time\nPrompt: Why\nCompletion:\n",
            [(9, " upon\na time"), (9, "")],
        ),
        (
            "step 9 loss 3\nGenerated text:\nonce\nupon\nstep 10 loss 2\nGenerated text: twice\n",
            [(9, "once\nupon"), (10, "twice")],
        ),
        (
            "step 9 loss 3\nSample 1\nPrompt: Once\nOutput: upon\nOutput: a time\n",
            [(9, "upon\nOutput: a time")],
        ),
        ("step 9 loss 3\nSample 1\nPrompt: Once\nupon a time\n", [(9, "upon a time")]),
        # a header that holds nothing is an empty sample, if it has a number
        ("step 9 loss 3\nSample 1\n-----\n-----\nSample 2\n", [(9, ""), (9, "")]),
        ("step 9 loss 3\n--- Sample ---\n", []),
    ],
)
def test_ruled_text_is_read_as_scripts_write_it(
    file: Path, content: str, expected: list[tuple[int | None, str]]
) -> None:
    assert told(file, content) == expected


@pytest.mark.parametrize(
    "content",
    [
        # configurations
        "prompt: null\noutput: here\nsample: true\nSamples: 4\nInput: a.bin\nOutput: b.bin\n",
        "Prompt: Once\nLoading the model\nstep 9 | loss 3\n",
        # rules and figures
        "generating:\n a mess\n---\n",
        "-----\nwarming up\n-----\nstep 9 | loss 3\n",
        "---------------\nwarming up\nstep 9 | loss 3\n",
        "===== Setup =====\nready\n",
    ],
)
def test_what_only_looks_like_a_sample_is_none(file: Path, content: str) -> None:
    assert told(file, content) == []


def test_a_sample_before_any_step_belongs_to_the_first_one(file: Path) -> None:
    begun = "rank 0 sample 0: once\nrank 0 sample 1: twice\n"
    assert told(file, f"{begun}step 7 | loss 3\nSample 1: thrice\n") == [
        (7, "once"),
        (7, "twice"),
        (7, "thrice"),
    ]


def test_samples_of_a_log_without_any_step_have_that_of_its_name_or_none(tmp_path: Path) -> None:
    content = "Sample 1: once\nSample 2: twice\n"
    assert told(tmp_path / "out.log", content) == [(None, "once"), (None, "twice")]
    assert told(tmp_path / "step_40.log", content) == [(40, "once"), (40, "twice")]


def test_a_log_without_steps_is_not_held() -> None:
    reader = log_samples.LogSamples("log", Problems(), most=3)
    found = [list(reader.feed(Line(number, f"Sample {number}: a tale", None))) for number in range(1, 9)]
    assert [[each.line for each in some] for some in found] == [[], [], [], [], [1, 2, 3, 4], [], [], []]
    assert [each.line for each in reader.finish()] == [5, 6, 7, 8]


def test_a_sample_drawn_at_the_very_end_belongs_to_the_last_step(file: Path) -> None:
    content = "step   249 | loss: 6.0\nrank 0 sample 0: once\n"
    assert told(file, content) == [(249, "once")]


def test_where_a_run_begins_anew_the_last_samples_are_of_the_run_before(file: Path) -> None:
    first = "step   249 | loss: 6.0\nrank 0 sample 0: once\n"
    content = first + "step     0 | loss: 9.0\nrank 0 sample 0: twice\nstep     1 | loss: 8.0\n"
    assert told(file, content) == [(249, "once"), (1, "twice")]
    assert curve(file, content) == [(249, 6.0), (0, 9.0), (1, 8.0)]


def test_a_loss_without_a_step_has_that_of_the_bar_that_is_drawn_behind_it(file: Path) -> None:
    content = (
        "\r 5%|5     | 1/20 [00:00<00:01, 7it/s]\r      \r\r{'loss': '2.5', 'epoch': '0.1'}\n"
        "\r 10%|1     | 2/20 [00:00<00:01, 7it/s]\r 20%|2     | 4/20 [00:00<00:01, 7it/s]Sample 1: once\n"
        "\r 20%|2     | 4/20 [00:00<00:01, 7it/s]\r      \r\r{'loss': '2.25', 'epoch': '0.2'}\n"
        "\r 20%|2     | 4/20 [00:00<00:01, 7it/s]Sample 1: twice\n"
        "{'loss': '2.0', 'epoch': '0.3'}"
    )
    assert curve(file, content) == [(2, 2.5), (4, 2.25), (6, 2.0)]
    assert told(file, content) == [(2, "once"), (4, "twice")]


def test_the_losses_of_dictionaries_are_of_the_step_that_is_named_beside_them(file: Path) -> None:
    content = "--- step 50 ---\n{'loss': 2.5}\nstep 60 | loss 2.25\n{'loss': 2.0}\nSample 1: once\n"
    assert curve(file, content) == [(60, 2.25)]
    assert told(file, content) == [(60, "once")]


def test_a_trainer_that_prints_the_step_after_its_samples_is_believed(file: Path) -> None:
    content = "step 00499/01000 (49.90%) | loss: 3.4\n<|bos|>once\nstep 00500/01000 (50.00%) | loss: 3.3\n"
    assert told(file, content) == [(500, "<|bos|>once")]


def test_within_fences_no_marker_is_one_and_behind_them_each_is(file: Path) -> None:
    content = (
        "step 1/9 | loss 3\ngenerating:\n---\nSample 2\nPrompt: a\n---\nSample 1: once\nstep 2/9 | loss 2\n"
    )
    assert told(file, content) == [(1, "Sample 2\nPrompt: a"), (1, "once")]


def test_what_stands_behind_the_last_fence_is_no_part_of_a_sample(file: Path) -> None:
    content = "step 1/9 | loss 3\ngenerating:\n---\nonce\n---\nthe network is slow\nstep 2/9 | loss 2\n"
    assert told(file, content) == [(1, "once")]


def test_another_label_within_a_text_is_part_of_it(file: Path) -> None:
    content = "step 1 | loss 3\nGenerated text: once\nPrompt: upon\nCompletion: a time\nstep 2 | loss 2\n"
    assert told(file, content) == [(1, "once\nPrompt: upon\nCompletion: a time")]


def test_a_last_sample_between_dashes_that_is_cut_off_is_read(file: Path) -> None:
    assert told(file, NANOGPT_SAMPLES + "The third one\n")[2:] == [(None, "The third one")]


def test_what_stands_between_dashes_and_a_header_is_no_sample(file: Path) -> None:
    assert told(file, "-" * 15 + "\nwarming up\nSample 1: once\n") == [(None, "once")]


def test_a_recipe_does_not_move_the_step_either_where_plain_headings_tell_it(file: Path) -> None:
    content = "Step 100\nSample 1\nmix\nStep 1\nbake\nStep 200\nSample 1\ncake\n"
    assert told(file, content) == [(100, "mix\nStep 1\nbake"), (200, "cake")]


def test_a_recipe_in_a_sample_does_not_move_the_step(file: Path) -> None:
    content = "step 100 | loss 3\nSample 1:\nStep 1\nmix\nStep 2\nbake\nstep 200 | loss 2\nSample 1:\ncake\n"
    assert told(file, content) == [(100, "Step 1\nmix\nStep 2\nbake"), (200, "cake")]


# Bars of progress, colours, bytes


def test_bars_of_progress_are_no_part_of_a_sample(file: Path) -> None:
    bar = " 20%|██        | 2/10 [00:00<00:01,  7.21it/s]"
    content = f"step 9 | loss 3\nSample 1:\nonce\r{bar}\r\n{bar}\nupon\nTraining: {bar}\rstep 10 | loss 2\n"
    assert told(file, content) == [(9, "once\nupon")]
    assert curve(file, content) == [(9, 3.0), (10, 2.0)]


def test_a_sample_is_of_the_step_of_the_last_bar_before_it_that_has_a_loss(file: Path) -> None:
    def bar(step: int) -> str:
        return f"\r {step}%|██   | {step}/100 [00:10<00:10, 1.0it/s, loss=3.5]"

    content = f"{bar(20)}\nSample: once{bar(21)}\nupon\n{bar(40)}\n--- Sample ---\ntwice\n{'-' * 20}\n"
    assert told(file, content) == [(20, "once\nupon"), (40, "twice")]


def test_bytes_that_are_no_utf8_are_replaced_and_noted(file: Path) -> None:
    content = b"step 1/9 | loss 3\ngenerating:\n---\nthe caf\xc3 is open\n---\nstep 2/9 | loss 2\n"
    samples, problems = samples_of(file, content)
    assert [(sample.step, sample.text) for sample in samples] == [(1, "the caf\ufffd is open")]
    assert [problem.line for problem in problems.listed] == [4]


def test_a_log_that_is_cut_off_anywhere_keeps_what_stands_before(file: Path) -> None:
    content = BUILD_NANOGPT.encode()
    whole = told(file, content)
    for end in range(0, len(content), 7):
        samples, problems = samples_of(file, content[:end])
        assert len(samples) <= len(whole)
        complete = samples[:-1]
        assert [sample.text for sample in complete] == [text for _, text in whole[: len(complete)]]
        assert problems.count == 0


@pytest.mark.slow
def test_a_sample_without_end_is_a_problem_and_not_held() -> None:
    def read(lines: int) -> None:
        problems = Problems()
        reader = log_samples.LogSamples("train.log", problems, longest=1000)
        told = chain(
            ["Sample 1:"], ("upon " * 10 + str(number) for number in range(lines)), ["Sample 2: once"]
        )
        found = [each for line in lines_of(enumerate(told, start=2)) for each in reader.feed(line)]
        assert [sample.text for sample in [*found, *reader.finish()]] == ["once"]
        assert [(p.line, p.message[:31]) for p in problems.listed] == [(2, "a sample of more than 16 MB, th")]

    assert memory(lambda: read(4000)) < 1.5 * memory(lambda: read(1000))


@given(
    st.lists(st.sampled_from([*LLM_C.splitlines(), *AXOLOTL.splitlines(), *BUILD_NANOGPT.splitlines(), "\0"]))
)
def test_in_any_order_of_lines_nothing_breaks_and_samples_stand_in_their_order(lines: list[str]) -> None:
    problems = Problems()
    reader = log_samples.LogSamples("log", problems)
    found = [each for line in lines_of(enumerate(lines)) for each in reader.feed(line)]
    found += reader.finish()
    assert problems.count == 0
    assert len(found) <= len(lines)


# What is none


@pytest.mark.parametrize(
    "content",
    [
        "It was a dark night. The loss was great; step by step he went on.\n",
        "Once upon a time\n" * 1000,
        "======== SAMPLE 1 ========\nonce\n======== SAMPLE 2 ========\ntwice\n",
        '{"step": 1, "loss": 2.5}\n{"step": 2, "loss": 2.4}\n',
        "step,loss\n1,2.5\n",
        MODDED_CODE,
        "Saved the model of a ship\nHellaSwag: 3\n",
        b"step 1 | loss 2.5\n\0\0\0\0",
        "",
    ],
)
def test_what_is_no_log_is_not_taken_for_one(file: Path, content: str | bytes) -> None:
    assert not is_recognised(file, content)


def test_a_log_whose_script_fills_what_is_looked_at_is_known_by_it(file: Path) -> None:
    code = MODDED_CODE + "x = 1  # and on it goes\n" * 4000
    content = code + "=" * 100 + "\nstep:0/1390 val_loss:10.8258 train_time:0ms step_avg:nanms\n"
    assert is_recognised(file, content)
    assert curve(file, content) == [(0, 10.8258)]


def test_a_log_in_which_nothing_is_found_yields_nothing(file: Path) -> None:
    assert curve(file, "hello\nworld\n") == []
    assert told(file, "hello\nworld\n") == []
