"""The ready sampler commands: of a checkpoint on the disk, and of a server that speaks OpenAI's protocol."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from loopback import serving
from ports import free_port

from coherence.trainers import sample_server


class Server(HTTPServer):
    """Completes a prompt with its number, as vLLM's server would."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any, str | None]] = []
        self.answer: bytes | None = None
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append((self.path, body, self.headers["Authorization"]))
        text = f" upon a time, {len(self.server.heard)}"
        choice = {"message": {"content": text}} if "messages" in body else {"text": text}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.answer or json.dumps({"choices": [choice]}).encode())

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    with serving(found):
        yield found


@pytest.fixture
def prompts(tmp_path: Path) -> str:
    path = tmp_path / "prompts.txt"
    chat = {"messages": [{"role": "user", "content": "Tell me a story"}]}
    path.write_text(f"Once\n\n{json.dumps(chat)}\n", encoding="utf-8")
    return str(path)


def test_a_server_is_asked_for_each_prompt_and_chats_as_chats(
    server: Server, prompts: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(sample_server.KEY, "secret")
    arguments = ["--server", f"{server.url}/v1", "--model", "tiny", "--prompts", prompts, "--step", "500"]
    assert sample_server.main(arguments) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["step"], row["completion"]) for row in rows] == [
        (500, " upon a time, 1"),
        (500, " upon a time, 2"),
    ]
    assert [(path, key) for path, _, key in server.heard] == [
        ("/v1/completions", "Bearer secret"),
        ("/v1/chat/completions", "Bearer secret"),
    ]
    body = server.heard[0][1]
    assert body == {"model": "tiny", "prompt": "Once", "max_tokens": 200, "temperature": 1.0, "top_p": 0.95}


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b'{"choices": []}', b"[1]"])
def test_an_answer_that_is_no_completion_is_said_with_status_2(
    server: Server, prompts: str, answer: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = answer
    assert sample_server.main(["--server", server.url, "--model", "tiny", "--prompts", prompts]) == 2
    assert "not a completion" in capsys.readouterr().err


def test_a_server_that_is_not_there_is_said_with_status_2(
    prompts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = f"http://127.0.0.1:{free_port()}"
    assert sample_server.main(["--server", server, "--model", "tiny", "--prompts", prompts]) == 2
    assert capsys.readouterr().err.startswith("sample_server: ")


@pytest.mark.parametrize(
    ("content", "said"), [("\n\n", "no prompts"), ('{"text": "Once"}\n', ":1: expected a prompt")]
)
def test_prompts_that_cannot_be_used_are_named(
    tmp_path: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text(content, encoding="utf-8")
    assert sample_server.main(["--server", "http://x", "--model", "m", "--prompts", str(path)]) == 2
    assert said in capsys.readouterr().err


def test_a_checkpoint_is_loaded_and_drawn_from(
    tmp_path: Path, tiny: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers", reason="the command needs transformers")
    from coherence.trainers import sample_checkpoint

    checkpoint = tmp_path / "checkpoint-500"
    tiny().save_pretrained(checkpoint)
    byte_tokenizer().save_pretrained(checkpoint)
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("Once\nThe\nA\n", encoding="utf-8")
    arguments = [str(checkpoint), "--prompts", str(prompts), "--max-new-tokens", "8", "--batch", "2"]
    assert sample_checkpoint.main(arguments) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["prompt"] for row in rows] == ["Once", "The", "A"]
    assert all(isinstance(row["completion"], str) for row in rows)
    assert sample_checkpoint.main([str(tmp_path / "gone"), "--prompts", str(prompts)]) == 2


def byte_tokenizer() -> Any:
    """A tokenizer of single letters that transformers can save and load."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {letter: number for number, letter in enumerate(letters)} | {"<end>": 256}
    found = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens = dict.fromkeys(("eos_token", "pad_token"), "<end>")
    return PreTrainedTokenizerFast(tokenizer_object=found, **tokens)
