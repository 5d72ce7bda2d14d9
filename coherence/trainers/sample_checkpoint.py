"""Samples from a checkpoint of a transformers model, as JSON lines: for `coherence watch --sampler`.

    python -m coherence.trainers.sample_checkpoint runs/exp7/checkpoint-500 --prompts prompts.txt

Source: docs/watch.md, "Checkpoints".
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from coherence.trainers.common import missing
from coherence.trainers.sample_server import add_options, read_prompts, write
from coherence.trainers.sampler import Sampler


def load(checkpoint: str, tokenizer: str | None, device: str | None) -> tuple[Any, Any]:
    """Return the model of a checkpoint and its tokenizer, from local files only.

    Raises:
        ImportError: transformers or torch is missing.
        OSError: the checkpoint does not exist, or files are missing in it.
        ValueError: it is not a model that generates text.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise missing("huggingface", "transformers and torch") from error
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = AutoModelForCausalLM.from_pretrained(checkpoint, local_files_only=True)
    found = AutoTokenizer.from_pretrained(tokenizer or checkpoint, local_files_only=True)
    return model.to(where).eval(), found


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw a sample for each prompt, and print them."""
    parser = argparse.ArgumentParser(prog="sample_checkpoint", description="Draw samples from a checkpoint.")
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="folder that save_pretrained wrote")
    add_options(parser)
    parser.add_argument("--tokenizer", metavar="FOLDER", help="where the tokenizer is, if not in CHECKPOINT")
    parser.add_argument("--device", help="cuda if there is one, or else cpu")
    parser.add_argument("--batch", type=int, default=16, metavar="N", help="samples drawn at once (16)")
    options = parser.parse_args(arguments)
    try:
        if options.batch < 1:
            raise ValueError(f"--batch {options.batch}; expected a number of samples, 1 or more")
        prompts = read_prompts(options.prompts)
        model, tokenizer = load(options.checkpoint, options.tokenizer, options.device)
        for start in range(0, len(prompts), options.batch):
            some = prompts[start : start + options.batch]
            drawn = Sampler(tokenizer, some, options.max_new_tokens, options.temperature, options.top_p)
            for prompt, text in drawn(model, options.step or 0):
                write(prompt, text, options.step)
    except (OSError, ValueError, ImportError) as error:
        print(f"sample_checkpoint: {error}", file=sys.stderr)  # noqa: T201 - this is a command
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
