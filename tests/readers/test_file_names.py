"""A number in a name is a step only beside a word for a step or a sample, or in a folder of samples."""

import pytest

from coherence.readers.file_names import (
    is_called_log,
    is_of_a_step,
    names_temperature,
    step_named,
    step_of,
    step_of_checkpoint,
)


@pytest.mark.parametrize(
    ("path", "step"),
    [
        ("samples-1000", 1000),
        ("run/sample_20.txt", 20),
        ("completions_00010.txt", 10),
        ("generated-500.txt", 500),
        ("out_7_1200.txt", 1200),
        ("step_500.txt", 500),
        ("iter=300.txt", 300),
        ("ckpt-40.txt", 40),
        ("step_500/sample_3.txt", 500),
        ("checkpoint-500/out.txt", 500),
        ("500/out.txt", 500),
        ("samples/300.txt", 300),
        ("generated/model_300.txt", 300),
        ("step_2k.txt", 2000),
        ("__out__run__checkpoint-500/samples.txt", 500),
        ("checkpoint-1.5k/out.txt", 1500),
        ("samples_10k.txt", 10_000),
        ("samples/2k.txt", 2000),
        ("samples_20260104_500.txt", 500),
        ("2026-01-04_10-20-30/sample_500.txt", 500),
        ("sample_2026-01-04_step_500.txt", 500),
        ("step_20260104.txt", 20_260_104),
    ],
)
def test_a_number_beside_a_word_for_a_step_or_a_sample_is_a_step(path: str, step: int) -> None:
    assert step_of(path) == step


@pytest.mark.parametrize(
    ("path", "step"),
    [
        ("step_50_epoch_1.jsonl", 50),
        ("epoch=3-step=1200.jsonl", 1200),
        ("epoch_2.jsonl", 2),
        ("iter_3_epoch_1.json", 3),
        ("samples/50.jsonl", 50),
        ("samples/50.json", 50),
        ("generations/2k.jsonl", 2000),
        ("rollouts/50.jsonl.gz", 50),
        ("run/val_outputs/50.parquet", 50),
        ("step50-hf/out.jsonl", 50),
        ("step50-unsharded/out.jsonl", 50),
        ("step50000-tokens209B/out.jsonl", 50_000),
        ("global_step_50/out.jsonl", 50),
        ("epoch=0-step=50-val_loss=2.30/out.jsonl", 50),
        ("epoch_1-step_50/out.jsonl", 50),
        ("__out__step-9__checkpoint-50/out.jsonl", 50),
        ("step_500/rank0.jsonl", 500),
        ("step_500/part_3.jsonl", 500),
    ],
)
def test_a_step_is_found_in_the_name_of_any_file_or_of_its_folder(path: str, step: int) -> None:
    assert step_named(path) == step


@pytest.mark.parametrize(
    "path",
    [
        *(
            "run/50.jsonl",
            "data/50.json",
            "samples/20260104.jsonl",
            "samples/seed_50.jsonl",
            "sample/part3.csv",
        ),
        *("step1_supervised_finetuning/out.jsonl", "step2-reward/out.jsonl", "step1_sft/out.jsonl"),
        *("llama-step500/out.jsonl", "epoch/out.jsonl", "v2/out.jsonl", "step_500/inner/out.jsonl"),
    ],
)
def test_a_bare_number_elsewhere_a_part_of_a_training_or_a_name_around_a_step_is_none(path: str) -> None:
    assert step_named(path) is None
    assert not is_of_a_step(path.rpartition("/")[0])


@pytest.mark.parametrize(
    ("value", "step"),
    [
        *(("ckpt_500.pt", 500), ("org/model-step500", 500), ("global_step_500/actor", 500)),
        *(("step-500/model.safetensors", 500), ("step500-hf", 500), ("out/epoch=1-step=500.ckpt", 500)),
        *(("out/checkpoint-500/", 500), ("s3://b/checkpoint-9/checkpoint-500", 500)),
        *(("epoch_3", None), ("meta-llama/Llama-3-8B", None), ("out/best.pt", None), ("", None)),
        *(("runs/2026-01-04/last", None), ("checkpoint-2026-01-04", None)),
    ],
)
def test_the_path_of_a_checkpoint_has_the_step_of_its_last_part_that_has_one(
    value: str, step: int | None
) -> None:
    assert step_of_checkpoint(value) == step


@pytest.mark.parametrize(
    "path",
    [
        *(
            "news_temp_0_2.txt",
            "samples/temp_0_5.txt",
            "t0.7.txt",
            "samples/top_k_40.txt",
            "samples/top-p_90.txt",
        ),
        *("seed42.txt", "samples/seed42.txt", "rank0.txt", "samples/rank_3.txt", "gpu1.txt"),
        *("notes_2026-01-04.txt", "samples/20260104.txt", "20260104/notes.txt", "slurm_3260429.txt"),
        *("samples_2026-01-04.txt", "generated_20260104_101112.txt", "samples/20260104.txt"),
        *("output_2026-01-04_10-20-30.txt", "checkpoint-2026-01-04.txt", "out_20260104T101112.txt"),
        *("train-1809655.txt", "job_17.txt", "exp7.txt", "run3/notes.txt", "samples/run_7.txt", "gpt2.txt"),
    ],
)
def test_a_temperature_a_seed_a_date_a_job_or_a_rank_is_no_step(path: str) -> None:
    assert step_of(path) is None


@pytest.mark.parametrize(
    "name", ["slurm-1.out", "train.log", "train.LOG", "x.err", "train.log.2", "job.stdout"]
)
def test_what_schedulers_and_loggers_call_their_files_is_a_log(name: str) -> None:
    assert is_called_log(f"samples/{name}")


@pytest.mark.parametrize("name", ["log.txt", "samples-100", "outline.txt", "step_500/out.txt", "catalog"])
def test_other_names_are_no_logs(name: str) -> None:
    assert not is_called_log(name)


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        *(
            ("temp_0_2.txt", True),
            ("temperature-1.txt", True),
            ("out_t0.7.txt", True),
            ("diversity 0.5.txt", True),
        ),
        *(("template_2.txt", False), ("text2.txt", False), ("step_5.txt", False), ("attempt_3.txt", False)),
    ],
)
def test_a_temperature_is_known_by_its_word(name: str, stated: bool) -> None:
    assert names_temperature(name) is stated


@pytest.mark.parametrize(
    ("name", "of"), [("500", True), ("checkpoint-5", True), ("20260104", False), ("v2", False)]
)
def test_a_folder_of_a_number_is_of_a_step_unless_that_is_a_date(name: str, of: bool) -> None:
    assert is_of_a_step(f"run/{name}") is of
