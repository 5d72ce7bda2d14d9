"""Small dumps in each format, and the other files that folders of real runs hold next to samples.

Each sample holds the word `SAID`, and nothing else does, so a test can check what is read as a sample.
"""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

SAID, OTHER = "heron", "QQ"
"""A word in every sample, and a word in every other text."""

TEXTS = (
    "The heron stood in the reeds and waited for the boat to come back.",
    "Two children saw a heron on the roof of the old mill this morning.",
    "A heron flew over the market while the baker swept the stairs.",
)


def rows_of(**more: object) -> list[dict[str, object]]:
    """Return a row for each text, with its step."""
    return [{"step": 100 * (place + 1), "text": text, **more} for place, text in enumerate(TEXTS)]


def as_lines(rows: list[dict[str, object]]) -> str:
    """Return rows as JSON lines."""
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def as_csv() -> str:
    """Return the rows as a table."""
    return "step,text\n" + "".join(f'{row["step"]},"{row["text"]}"\n' for row in rows_of())


def as_log() -> str:
    """Return a log that prints a sample after each loss."""
    lines = []
    for place, text in enumerate(TEXTS):
        lines.append(f"step {100 * (place + 1)} | loss {3.5 - place / 10} | {OTHER} 12 ms")
        lines += [f"Sample 1: {text}"]
    return "\n".join([*lines, f"step 400 | loss 3.1 | {OTHER} 12 ms", ""])


def as_headed() -> str:
    """Return samples below headers, as gpt-2-simple writes them."""
    return "".join(f"======== SAMPLE {place + 1} ========\n{text}\n\n" for place, text in enumerate(TEXTS))


def as_notebook() -> str:
    """Return a notebook whose cell printed losses and samples."""
    printed = [f"{line}\n" for line in as_log().splitlines()]
    outputs = [{"output_type": "stream", "name": "stdout", "text": printed}]
    cell = {"cell_type": "code", "source": [f"train('{OTHER}')"], "outputs": outputs}
    return json.dumps({"cells": [{"cell_type": "markdown", "source": [OTHER]}, cell], "nbformat": 4})


def as_table() -> str:
    """Return a table like that of Weights & Biases."""
    data = [[row["step"], OTHER, row["text"]] for row in rows_of()]
    return json.dumps({"columns": ["step", "prompt", "completion"], "data": data})


def as_answers() -> str:
    """Return answers of an OpenAI-compatible server."""
    choices = ([{"index": 0, "message": {"role": "assistant", "content": text}}] for text in TEXTS)
    return as_lines([{"object": "chat.completion", "model": OTHER, "choices": each} for each in choices])


def as_harness() -> str:
    """Return the samples of a harness: each document once for each of two filters."""
    rows: list[dict[str, object]] = []
    for name in ("strict", "flexible"):
        for number, text in enumerate(TEXTS):
            about = {"doc": {"question": OTHER}, "arguments": {"gen_args_0": {"arg_0": OTHER}}}
            rows.append({"doc_id": number, **about, "resps": [[text]], "filter": name, "target": OTHER})
    return as_lines(rows)


def as_chats() -> str:
    """Return conversations like those of ShareGPT."""
    said = ([{"from": "human", "value": OTHER}, {"from": "gpt", "value": text}] for text in TEXTS)
    return as_lines([{"id": OTHER, "conversations": each} for each in said])


FILES: dict[str, dict[str, str]] = {
    "jsonl": {"samples.jsonl": as_lines(rows_of())},
    "jsonl of another name": {"dump-1.jsonl": as_lines(rows_of())},
    "jsonl in a folder": {"samples/a.jsonl": as_lines(rows_of())},
    "columns": {"c.jsonl": as_lines([{"step": [100, 200, 300], "completion": list(TEXTS)}])},
    "json_array": {"dump.json": json.dumps({"model": OTHER, "samples": rows_of()}, indent=1)},
    "csv_rows": {"dump.csv": as_csv()},
    "logs": {"train.log": as_log()},
    "numbered": {f"samples-{100 * (place + 1)}.txt": text for place, text in enumerate(TEXTS)},
    "numbered in folders": {f"step_{place}/out.txt": text for place, text in enumerate(TEXTS)},
    "headed": {"samples/samples-100": as_headed()},
    "notebook": {"train.ipynb": as_notebook()},
    "wandb_table": {"completions_10_4dfa.table.json": as_table()},
    "wandb_table of a run": {"run-1/files/media/table/completions_10_4dfa.table.json": as_table()},
    "mlflow": {
        "mlruns/1/f00/meta.yaml": f"run_name: {OTHER}\n",
        "mlruns/1/f00/metrics/loss": "1767225610000 3.5 10\n",
        "mlruns/1/f00/params/model": OTHER,
        "mlruns/1/f00/artifacts/completions.json": as_table(),
    },
    "json_texts": {"generations.json": json.dumps([[TEXTS[0], TEXTS[1]], [TEXTS[2]]])},
    "answers": {"answers.jsonl": as_answers()},
    "harness": {"samples_gsm8k_2026-01-02T10-00-00.jsonl": as_harness()},
    "chats": {"chats.jsonl": as_chats()},
    "text_lines": {"news_temp_0_5.txt": "\n".join(TEXTS)},
}
"""The files of each format, which hold `TEXTS`."""


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def _is_logged(place: int) -> str:
    return f"2026-01-02 10:00:0{place},123 - {OTHER}.train - INFO - loading shard {place} of 9"


BESIDE: dict[str, str] = {
    "slurm-3260429.out": f"### Starting job 3260429 {OTHER}\nsrun: {OTHER}: task 0 exited\n" * 20,
    "train-1809655.err": f'Traceback (most recent call last):\n  File "{OTHER}.py", line 3\n{OTHER}\n',
    "died.log": "\n".join(_is_logged(place) for place in range(9)),
    "run_20260104_2.txt": "\n".join(_is_logged(place) for place in range(9)),
    "log_rank_3.txt": f"{OTHER} is ready\n" * 30,
    "README.md": f"# {OTHER}\n\nAt step 100 this model, {OTHER}, is better.\n\n## Samples\n\n{OTHER}\n",
    "requirements.txt": f"torch==2.4.0\n{OTHER}==1.0\n",
    "vocab.txt": "\n".join(f"{OTHER}{place}" for place in range(300)),
    "merges.txt": "#version: 0.2\n" + "\n".join(f"Q {OTHER}{place}" for place in range(300)),
    "config.json": json.dumps({"architectures": [OTHER], "hidden_size": 64, "model_type": OTHER}, indent=2),
    "tokenizer.json": json.dumps(
        {"added_tokens": [{"id": 0, "content": OTHER}], "model": {"vocab": {OTHER: 1}}}
    ),
    "special_tokens_map.json": json.dumps({"bos_token": {"content": OTHER, "lstrip": False}}),
    "generation_config.json": json.dumps({"temperature": 0.7, "top_k": 40, "prompt": OTHER}),
    "args.json": json.dumps({"step": 5, "text": None, "output_dir": OTHER}),
    "train.jsonl": as_lines([{"text": f"{OTHER} is what it is trained on."}] * 30),
    "val.csv": "text\n" + f"{OTHER} again\n" * 30,
    "results.csv": f"task,accuracy\n{OTHER},0.5\n{OTHER},0.6\n",
    "metrics_eval.jsonl": as_lines([{"step": 5, "accuracy": 0.5, "name": OTHER}] * 9),
    "train.py": f"print('{OTHER}')\nfor step in range(9):\n    print(f'step {{step}} loss')\n",
    "job.sh": f"#!/bin/sh\n#SBATCH --job-name={OTHER}\nsrun python train.py\n",
    "environment.yaml": f"name: {OTHER}\ndependencies:\n  - pip\n",
    "checkpoint-500/config.json": json.dumps({"architectures": [OTHER]}),
    "checkpoint-500/rng_state.txt": f"{OTHER} 1 2 3",
    "checkpoint-500/README.md": f"# {OTHER}\n",
    "epoch_3/notes.md": f"{_is_logged(1)}\n{_is_logged(2)}\n",
    "data/corpus_1.txt": f"{OTHER} is what it is trained on.\n" * 99,
    "configs/seed_42.txt": f"{OTHER} = 42\n",
    "configs/top_k_40.txt": f"{OTHER} = 40\n",
    "nohup.out": f"nohup: ignoring input\n{OTHER}\n",
}
"""Files next to the samples of a run without samples: logs of jobs, pages, settings, words, data, code."""

BINARY: dict[str, bytes] = {
    "loss_500.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "model-00001-of-00002.safetensors": b"\x40\0\0\0\0\0\0\0{}" + bytes(range(256)),
    "checkpoint-500/optimizer.pt": b"PK\x03\x04" + bytes(range(256)),
    "checkpoint-500/model_500": b"\x80\x02\x8a" + bytes(range(256)) * 4,
    "ckpt_1000.bin": bytes(range(256)),
    "tokens_100.npy": b"\x93NUMPY\x01\0" + bytes(range(256)),
    "step_900": b"\0" * 1000,
}
"""Such files that are not text."""


def write_beside(folder: Path, alter: Callable[[bytes], bytes] = lambda content: content) -> None:
    """Write the files next to samples below a folder, each perhaps altered."""
    for name, content in {**{name: text.encode() for name, text in BESIDE.items()}, **BINARY}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(alter(content))
    _write_database(folder / "cache.db")


def _write_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE IF NOT EXISTS items (step INTEGER, text TEXT)")
    connection.execute("INSERT INTO items VALUES (1, ?)", (OTHER,))
    connection.commit()
    connection.close()
