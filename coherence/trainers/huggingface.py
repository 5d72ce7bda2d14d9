"""For the Hugging Face Trainer and what stands on it, TRL for instance: a callback, and a ready sampler.

Source: docs/trainers/huggingface.md.
"""

# ruff: noqa: ARG002 - the arguments are those that the Trainer hands to every callback

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coherence.monitor import Monitor
from coherence.runfolder import replace_file
from coherence.trainers.common import begin, check_every, log, missing, say_halt

try:
    import torch
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ImportError as error:
    raise missing("huggingface", "transformers") from error

from coherence.trainers.torch_loop import Sample, check, from_rank_zero

STATE_FILE = "coherence.json"


class CoherenceCallback(TrainerCallback):
    """Gives a monitor the trainer's losses and samples, and stops training when the gate halts.

    The state goes into each checkpoint, as `coherence.json`, and comes back from the one resumed from.

    Args:
        monitor: of the run; None on every rank but 0.
        sample: takes the model and the step, returns the texts: a `Sampler`, or your own.
        every: steps between two samplings.
        warmup: the first step that is judged; None for 5 % of the run, unless the gate has a warm-up.

    Raises:
        ValueError: `every` is below 1.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder) as monitor:
    ...     callback = CoherenceCallback(monitor, sample=lambda model, step: ["..."], every=500)
    """

    def __init__(
        self, monitor: Monitor | None, sample: Sample, every: int = 500, warmup: int | None = None
    ) -> None:
        self.monitor = monitor
        self.sample = sample
        self.every = check_every(every)
        self.warmup = warmup

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take up the checkpoint's state; refuse a halted run.

        Raises:
            HaltedRun: the run was halted. A flag in `control` would still train one step.
        """
        monitor = self.monitor
        from_rank_zero(None if monitor is None else lambda: self._begin(monitor, args, state))

    def _begin(self, monitor: Monitor, args: TrainingArguments, state: TrainerState) -> None:
        begin(monitor, self.warmup, state.max_steps)
        if state.global_step > 0:
            _load(monitor, _checkpoint(args, state) / STATE_FILE)
            begin(monitor, self.warmup, state.max_steps)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Take the loss of a training row, with the gradient norm that uncovers a NaN logged as 0.0."""
        if self.monitor is not None and logs and "loss" in logs:
            norm = logs.get("grad_norm")
            self.monitor.loss(
                state.global_step, float(logs["loss"]), grad_norm=None if norm is None else float(norm)
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Sample and judge every so many optimizer steps; on a halt save a checkpoint and stop."""
        if state.global_step % self.every:
            return
        tokenizer = kwargs.get("processing_class")
        verdict = check(self.monitor, state.global_step, kwargs["model"], self.sample, tokenizer)
        if verdict.halt:
            say_halt(verdict)
            control.should_training_stop = control.should_save = True

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write the state into the checkpoint; a full disk costs a warning, not the run."""
        if self.monitor is None:
            return
        path = _checkpoint(args, state) / STATE_FILE
        try:
            replace_file(path, json.dumps(self.monitor.state_dict(), allow_nan=False))
        except OSError as error:
            log.warning("%s: cannot save the gate's state (%s)", path, error)


def _checkpoint(args: TrainingArguments, state: TrainerState) -> Path:
    return Path(args.output_dir or ".") / f"checkpoint-{state.global_step}"


def _load(monitor: Monitor, path: Path) -> None:
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        log.warning("%s is not there; the gate goes on with what %s holds", path, monitor.folder)
        return
    except ValueError as error:
        raise ValueError(f"{path} is no state of a run ({error}); remove it to go on without") from error
    monitor.load_state_dict(saved)


class Sampler:
    """Draws completions of prompts from the model, at a temperature.

    Never greedily, nor by beams: those loop in healthy models too. What the model's own generation settings
    do against repetition is switched off, for it would hide what is looked for.

    Args:
        tokenizer: of the model.
        prompts: one sample is drawn for each.
        max_new_tokens: length of a completion, at most; the model's context ends it earlier.
        temperature: above 0; 1 is the model's own distribution.
        top_p: draw among the likeliest tokens that have this share of the probability.

    Raises:
        ValueError: an argument is out of range.

    >>> sampler = Sampler(tokenizer=None, prompts=["The", "Once upon a time"])
    >>> Sampler(tokenizer=None, prompts=["The"], temperature=0)
    Traceback (most recent call last):
    ValueError: temperature 0; expected a number above 0: greedy decoding loops in healthy models too
    """

    def __init__(
        self,
        tokenizer: Any,
        prompts: Sequence[str],
        max_new_tokens: int = 200,
        temperature: float = 1.0,
        top_p: float = 0.95,
    ) -> None:
        if not 0 < temperature < math.inf:
            raise ValueError(
                f"temperature {temperature!r}; expected a number above 0: greedy decoding loops in healthy "
                "models too"
            )
        if not 0 < top_p <= 1:
            raise ValueError(f"top_p {top_p!r}; expected a number above 0 and at most 1")
        if not prompts or isinstance(prompts, str):
            raise ValueError(f"prompts {prompts!r}; expected a list of one or more")
        self.tokenizer = tokenizer
        self.prompts = list(prompts)
        self.settings = {
            "do_sample": True,
            "num_beams": 1,
            "temperature": temperature,
            "top_p": top_p,
            "top_k": 0,
            "repetition_penalty": 1.0,
            "no_repeat_ngram_size": 0,
        }
        self.max_new_tokens = max_new_tokens

    def __call__(self, model: Any, step: int) -> list[str]:
        """Return one completion for each prompt, without the prompt."""
        rows = [self._encode(prompt) for prompt in self.prompts]
        width = max(map(len, rows))
        pad = self._first("pad_token_id", "eos_token_id", "bos_token_id")
        device = next(model.parameters()).device
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
        length = min(self.max_new_tokens, max(1, _context(model) - width))
        out = model.generate(
            input_ids=ids, attention_mask=mask, pad_token_id=pad, max_new_tokens=length, **self.settings
        )
        start = 0 if getattr(model.config, "is_encoder_decoder", False) else width
        texts: list[str] = self.tokenizer.batch_decode(out[:, start:], skip_special_tokens=True)
        return texts

    def _encode(self, prompt: str) -> list[int]:
        """The prompt's tokens, at least one: an empty prompt is the beginning of a text."""
        ids: list[int] = list(self.tokenizer(prompt)["input_ids"])
        return ids or [self._first("bos_token_id", "eos_token_id", "pad_token_id")]

    def _first(self, *names: str) -> int:
        found = (getattr(self.tokenizer, name, None) for name in names)
        return next((token for token in found if token is not None), 0)


def _context(model: Any) -> int:
    """How many tokens the model can hold."""
    return getattr(model.config, "max_position_embeddings", None) or sys.maxsize
