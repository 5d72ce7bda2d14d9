"""A tiny GRPO run, in this process or as one of two that train together; nothing is downloaded.

python tiny_grpo.py FOLDER, with RANK and WORLD_SIZE in the environment, prints what it did as one JSON line.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

WORDS = [
    *("the", "cat", "sat", "by", "door", "and", "waited", "for", "rain", "to", "stop", "while", "an", "old"),
    *("man", "read", "his", "paper", "in", "warm", "light"),
]
LOW = ["Budy", "budy", "BUDY"]
ASKED = ["sat the cat", "rain to stop"]


def make(
    folder: Path,
    words: list[str],
    reward: Any,
    callbacks: list[Any],
    prompts: list[Any] = ASKED,
    **options: Any,
) -> Any:
    """Return a trainer whose model can only say these words, in any order."""
    import torch
    from datasets import Dataset
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
    from trl import GRPOConfig, GRPOTrainer

    vocabulary = {word: place for place, word in enumerate(["<pad>", "<eos>", "<unk>", *words])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))  # noqa: S106 - not a password
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",  # noqa: S106
        eos_token="<eos>",  # noqa: S106
        unk_token="<unk>",  # noqa: S106
    )
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=64,
        n_embd=16,
        n_layer=1,
        n_head=2,
        bos_token_id=1,
        eos_token_id=1,
    )
    model = GPT2LMHeadModel(config)
    model.transformer.wte.weight.data[:3] = 0  # the end is as likely as any word
    defaults: dict[str, Any] = {
        "max_steps": 6,
        "per_device_train_batch_size": 4,
        "num_generations": 2,
        "max_completion_length": 24,
        "use_cpu": True,
        "bf16": False,
        "report_to": [],
        "disable_tqdm": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "dataloader_pin_memory": False,
        "seed": 1,
    }
    return GRPOTrainer(
        model,
        reward_funcs=reward,
        args=GRPOConfig(str(folder / "out"), **defaults | options),
        train_dataset=Dataset.from_dict({"prompt": prompts * 8}),
        processing_class=tokenizer,
        callbacks=callbacks,
    )


def length(completions: list[Any], **_others: Any) -> list[float]:
    """Reward long answers, which a run learns without us."""
    return [float(len(str(each))) for each in completions]


def main(folder: Path) -> None:
    """Train as one of two ranks, whose model can only say one word."""
    import torch
    from torch import distributed

    from coherence import Gate, Monitor
    from coherence.trainers.trl import CoherenceReward

    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    monitor = Monitor(folder / "run", gate=Gate(patience=12)) if rank == 0 else None
    reward = CoherenceReward(monitor, penalty=0.5, warmup=0)
    try:
        trainer = make(folder, LOW, [length, reward], [reward], ddp_backend="gloo")
        trainer.train()
        answer = {"rank": rank, "step": trainer.state.global_step}
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
    if monitor is not None:
        monitor.close()
    print(json.dumps(answer))  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(Path(sys.argv[1]))
