"""The reward function, by itself and in the real GRPO trainer of a GPT-2 that knows a few words."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_grpo
from ports import free_port
from tiny_grpo import LOW as ONE_WORD
from tiny_grpo import WORDS, length, make

pytest.importorskip("torch", reason="the reward for TRL needs torch")
pytest.importorskip("transformers", reason="the reward for TRL needs transformers")

from transformers import TrainerState

from coherence import Gate, HaltedRun, Monitor
from coherence.trainers.trl import CoherenceReward

FINE = "The cat sat by the door and waited for the rain to stop."
LOW = "Budy Budy Budy Budy"
SECONDS = 240.0  # far more than it takes


def rows(monitor: Monitor) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (monitor.folder / "samples.jsonl").read_text().splitlines()]


def at(step: int) -> TrainerState:
    return TrainerState(global_step=step)


class TestTheFunction:
    def test_a_low_completion_costs_the_penalty_and_a_fine_one_nothing(self, monitor: Monitor) -> None:
        reward = CoherenceReward(monitor, penalty=0.5, warmup=0)
        assert reward(["a", "a", "b"], [FINE, LOW, ""], trainer_state=at(3)) == [0.0, -0.5, -0.5]
        assert CoherenceReward(monitor)(["a"], [LOW], trainer_state=at(4)) == [0.0]
        assert [row["step"] for row in rows(monitor)] == [3, 3, 3, 4]

    def test_chats_are_judged_by_what_the_assistant_wrote_last(self, monitor: Monitor) -> None:
        reward = CoherenceReward(monitor, penalty=1.0, warmup=0)
        asked = [[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}]]
        assert reward(asked, [[{"role": "assistant", "content": LOW}]], trainer_state=at(0)) == [-1.0]
        assert [(row["prompt"], row["text"]) for row in rows(monitor)] == [("Who?", LOW)]

    def test_one_completion_of_each_prompt_comes_first(self, monitor: Monitor) -> None:
        reward = CoherenceReward(monitor, warmup=0)
        prompts = [name for name in "abc" for _ in range(5)]
        texts = [LOW if name == "b" else FINE for name in prompts]
        reward(prompts, texts, trainer_state=at(0))
        assert [row["prompt"] for row in rows(monitor)] == list("abc" * 5)
        assert monitor.verdict is not None
        assert not monitor.verdict.halt  # one prompt that asks for a loop

    def test_completions_of_a_group_may_be_alike(self, monitor: Monitor) -> None:
        reward = CoherenceReward(monitor, warmup=0)
        answers = [FINE, "It was late, and nobody in the whole street had seen where the two of them went."]
        reward(["a"] * 4 + ["b"] * 4, [answers[0]] * 4 + [answers[1]] * 4, trainer_state=at(0))
        assert monitor.metrics["coherence/between"] > 90

    def test_only_so_many_steps_apart_are_judged(self, monitor: Monitor) -> None:
        reward = CoherenceReward(monitor, every=3, warmup=0)
        for step in (0, 0, 1, 2, 3, 5, 8):
            reward(["a"], [FINE], trainer_state=at(step))
        assert [row["step"] for row in rows(monitor)] == [0, 0, 3, 8]

    def test_without_the_callback_a_halt_ends_the_program(self, monitor: Monitor) -> None:
        reward = CoherenceReward(monitor, warmup=0)
        with pytest.raises(HaltedRun, match="5 samples in a row scored below 30"):
            reward(["a"] * 5, [LOW] * 5, trainer_state=at(7))

    def test_without_the_callback_a_young_model_is_passed_over(self, monitor: Monitor) -> None:
        state = TrainerState(max_steps=1000)
        CoherenceReward(monitor)(["a"] * 9, [LOW] * 9, trainer_state=state)
        assert (monitor.gate.warmup, monitor.gate.streak) == (50, 0)

    def test_scores_are_columns_and_metrics(self, monitor: Monitor) -> None:
        columns: dict[str, list[Any]] = {}
        metrics: dict[str, float] = {}
        reward = CoherenceReward(monitor, warmup=0)
        logged = {"log_extra": columns.__setitem__, "log_metric": metrics.__setitem__}
        reward(["a", "a"], [FINE, LOW], trainer_state=at(0), **logged)
        assert columns["coherence/low"] == [False, True]
        assert columns["coherence/english"] == [row["scores"]["english"] for row in rows(monitor)]
        assert metrics == monitor.metrics
        assert metrics["coherence/low"] == 0.5

    def test_scores_are_those_of_the_monitors_profile(self, tmp_path: Path) -> None:
        code = "".join(f"    total_{name} = add(total_{name}, values[{name}])\n" for name in "abcdefgh")
        found = []
        for profile in (None, "code"):
            columns: dict[str, list[Any]] = {}
            with Monitor(tmp_path / str(profile), profile=profile) as monitor:
                reward = CoherenceReward(monitor, warmup=0)
                reward(["a"], [code], trainer_state=at(0), log_extra=columns.__setitem__)
                assert columns["coherence/trigram"] == [row["scores"]["trigram"] for row in rows(monitor)]
            found.append(columns["coherence/trigram"])
        assert found[0] != found[1]

    @pytest.mark.parametrize("penalty", [-1.0, float("nan"), float("inf")])
    def test_a_penalty_is_subtracted(self, monitor: Monitor, penalty: float) -> None:
        with pytest.raises(ValueError, match=r"penalty .* it is subtracted"):
            CoherenceReward(monitor, penalty=penalty)

    def test_a_trl_that_does_not_tell_the_step_is_refused(self, monitor: Monitor) -> None:
        with pytest.raises(TypeError, match="no trainer_state was given; expected TRL"):
            CoherenceReward(monitor)(["a"], [FINE])


@pytest.fixture
def needs_trl() -> None:
    pytest.importorskip("trl", reason="GRPO needs trl: pip install trl")


@pytest.mark.usefixtures("needs_trl")
@pytest.mark.filterwarnings("ignore")  # what TRL and its libraries warn of is theirs
class TestInTheRealTrainer:
    def test_a_run_that_loops_stops_and_keeps_no_collapsed_checkpoint(self, tmp_path: Path) -> None:
        with Monitor(tmp_path / "run", gate=Gate(patience=10)) as monitor:
            reward = CoherenceReward(monitor, penalty=0.5, warmup=0)
            trainer = make(tmp_path, ONE_WORD, [length, reward], [reward], max_steps=20)
            trainer.train()
            assert monitor.verdict is not None
            assert monitor.verdict.halt
            # Judged are the completions of the weights before the step, which is then taken.
            assert trainer.state.global_step == monitor.verdict.step + 1 < 20
            assert {row["step"] for row in rows(monitor)} == set(range(trainer.state.global_step))
            assert not list((tmp_path / "out").glob("checkpoint-*"))

    def test_scores_stand_in_trls_table_and_its_log(self, tmp_path: Path) -> None:
        pandas = pytest.importorskip("pandas")
        with Monitor(tmp_path / "run") as monitor:
            reward = CoherenceReward(monitor, penalty=0.5, warmup=0)
            trainer = make(tmp_path, WORDS, [reward], [reward], max_steps=2, log_completions=True)
            trainer.train()
            judged = rows(monitor)
        table = pandas.read_parquet(tmp_path / "out" / "completions" / "completions_00001.parquet")
        first = {row["text"]: row for row in judged if row["step"] == 0}
        assert len(table) == 4
        for row in table.to_dict("records"):
            same = first[row["completion"]]
            assert bool(row["coherence/low"]) == same["low"]
            assert row["coherence"] == (-0.5 if same["low"] else 0.0)
        logged = [row for row in trainer.state.log_history if "coherence/mean" in row]
        assert [row["step"] for row in logged] == [1, 2]
        assert all("rewards/coherence/mean" in row for row in logged)

    def test_chats_are_judged(self, tmp_path: Path) -> None:
        asked = [[{"role": "user", "content": "sat the cat"}], [{"role": "user", "content": "rain to stop"}]]
        with Monitor(tmp_path / "run") as monitor:
            reward = CoherenceReward(monitor, warmup=0)
            make(tmp_path, WORDS, [reward], [reward], prompts=asked).train()
            assert {row["prompt"] for row in rows(monitor)} == {"sat the cat", "rain to stop"}
            assert all(isinstance(row["text"], str) for row in rows(monitor))

    def test_one_that_only_watches_leaves_the_training_as_it_is(self, tmp_path: Path) -> None:
        def curve(folder: Path, reward: Any, callbacks: list[Any]) -> list[tuple[float, float]]:
            trainer = make(folder, WORDS, reward, callbacks, max_steps=4)
            trainer.train()
            return [(row["loss"], row["grad_norm"]) for row in trainer.state.log_history if "loss" in row]

        with Monitor(tmp_path / "run") as monitor:
            watching = CoherenceReward(monitor)
            watched = curve(tmp_path / "a", [length, watching], [watching])
        assert watched == curve(tmp_path / "b", [length], [])

    def test_a_resumed_run_counts_its_steps_on(self, tmp_path: Path) -> None:
        steps = []
        for most, resume in ((2, None), (4, str(tmp_path / "out" / "checkpoint-2"))):
            with Monitor(tmp_path / "run") as monitor:
                reward = CoherenceReward(monitor, warmup=0)
                options: dict[str, Any] = {"max_steps": most, "save_strategy": "steps", "save_steps": 2}
                trainer = make(tmp_path, WORDS, [reward], [reward], **options)
                trainer.train(resume_from_checkpoint=resume)
                steps.append(sorted({row["step"] for row in rows(monitor)}))
        assert steps == [[0, 1], [0, 1, 2, 3]]

    def test_a_halted_run_is_refused_before_its_first_step(self, tmp_path: Path) -> None:
        with Monitor(tmp_path / "run", gate=Gate(patience=4)) as monitor:
            reward = CoherenceReward(monitor, warmup=0)
            make(tmp_path, ONE_WORD, [reward], [reward]).train()
            with pytest.raises(HaltedRun):
                make(tmp_path, ONE_WORD, [reward], [reward]).train()

    def test_two_ranks_judge_the_completions_of_both_and_stop_together(self, tmp_path: Path) -> None:
        started, port = [], str(free_port())
        for rank in ("0", "1"):
            world = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
            meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
            command = [sys.executable, tiny_grpo.__file__, str(tmp_path)]
            pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            started.append(subprocess.Popen(command, env=os.environ | world | meeting, **pipes))  # noqa: S603 - ours
        try:
            ended = [(each, *each.communicate(timeout=SECONDS)) for each in started]
        finally:
            for each in started:
                each.kill()
        assert [each.returncode for each, _, _ in ended] == [0, 0], [err[-2000:] for *_, err in ended]
        answers = [json.loads(out.splitlines()[-1]) for _, out, _ in ended]
        assert answers[0]["step"] == answers[1]["step"] < 6
        kept = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
        assert sum(row["step"] == 0 for row in kept) == 8  # four of each rank
