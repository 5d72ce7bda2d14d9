"""Samples from a server with OpenAI's protocol, vLLM for instance, as JSON lines.

    python -m coherence.trainers.sample_server --server http://localhost:8000 --model NAME --prompts p.txt

It needs only the standard library. Source: docs/watch.md, "Checkpoints".
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from coherence.run.alerts import post

KEY = "OPENAI_API_KEY"
"""The environment variable that holds the key, if the server needs one."""

Prompt = str | list[dict[str, Any]]


def read_prompts(path: str) -> list[Prompt]:
    r"""Return the prompts of a file: a text a line, or JSON lines with a `prompt` or `messages`.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds no prompts, or a line is not a prompt; the message names the line.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "prompts.txt")
    ...     _ = path.write_text('Once upon a time\n{"prompt": "The"}\n')
    ...     read_prompts(str(path))
    ['Once upon a time', 'The']
    """
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    found = [_prompt(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise ValueError(f"{path}: no prompts in it; expected a text a line, or JSON lines with a prompt")
    return found


def _prompt(line: str, where: str) -> Prompt:
    if not line.startswith("{"):
        return line
    try:
        row = json.loads(line)
    except ValueError:
        return line
    found = row.get("prompt", row.get("messages"))
    is_chat = isinstance(found, list) and found and all(isinstance(each, dict) for each in found)
    if not isinstance(found, str) and not is_chat:
        raise ValueError(f"{where}: expected a prompt, a text or a list of messages")
    return found  # type: ignore[no-any-return] # it was checked


def draw(
    server: str, model: str, prompts: Sequence[Prompt], settings: Mapping[str, Any], timeout: float
) -> Iterator[tuple[Prompt, str]]:
    """Yield each prompt with a completion; chats go to the server's chat completions.

    Raises:
        OSError: the server does not answer in time, or with an error.
        ValueError: its answer is not a completion.
    """
    base = server.rstrip("/").removesuffix("/v1")
    headers = {"Authorization": f"Bearer {os.environ[KEY]}"} if KEY in os.environ else {}
    for prompt in prompts:
        chat = not isinstance(prompt, str)
        url = f"{base}/v1/{'chat/' if chat else ''}completions"
        body = {"model": model, "messages" if chat else "prompt": prompt, **settings}
        answer = post(url, body, timeout, headers)
        try:
            choice = json.loads(answer)["choices"][0]
            text = choice["message"]["content"] if chat else choice["text"]
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(f"{url}: not a completion: {answer[:80]!r}") from error
        yield prompt, str(text or "")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that both ready samplers have."""
    add = parser.add_argument
    add("--prompts", required=True, metavar="FILE", help="a prompt a line, or JSON lines with a prompt")
    add("--step", type=int, help="step of the samples; coherence watch adds it")
    add("--max-new-tokens", type=int, default=200, metavar="N", help="maximum length of a sample (200)")
    add("--temperature", type=float, default=1.0, metavar="T", help="sampling temperature, above 0 (1)")
    add("--top-p", type=float, default=0.95, metavar="P", help="share of the likeliest tokens (0.95)")


def write(prompt: Prompt, text: str, step: int | None) -> None:
    """Write a sample to standard output, as a line of JSON."""
    row = {"prompt": prompt, "completion": text}
    print(json.dumps(row if step is None else {"step": step, **row}), flush=True)  # noqa: T201 - this is a command


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw a sample for each prompt, and print them."""
    parser = argparse.ArgumentParser(prog="sample_server", description="Draw samples from a server.")
    parser.add_argument("--server", required=True, metavar="URL", help="such as http://localhost:8000")
    parser.add_argument("--model", required=True, metavar="NAME", help="model name on the server")
    add_options(parser)
    parser.add_argument("--timeout", type=float, default=120.0, metavar="S", help="timeout of a sample (120)")
    options = parser.parse_args(arguments)
    settings = {
        "max_tokens": options.max_new_tokens,
        "temperature": options.temperature,
        "top_p": options.top_p,
    }
    try:
        if not options.server.startswith(("https://", "http://")):
            raise ValueError(
                f"--server {options.server!r}; expected a URL that begins with http:// or https://"
            )
        if not options.temperature > 0:
            raise ValueError(f"--temperature {options.temperature:g}; expected a number above 0")
        prompts = read_prompts(options.prompts)
        for prompt, text in draw(options.server, options.model, prompts, settings, options.timeout):
            write(prompt, text, options.step)
    except (OSError, ValueError) as error:
        print(f"sample_server: {error}", file=sys.stderr)  # noqa: T201 - this is a command
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
