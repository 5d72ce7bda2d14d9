"""Runs a script with a real library that writes files for the readers, in a separate process."""

import os
import subprocess
import sys
from pathlib import Path

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
}
"""Variables that keep libraries off the network, and let MLflow write files."""


def run_script(script: str, folder: Path, **variables: str) -> str:
    """Run a script in a folder and return what it printed; if it fails, so does the test."""
    environment = {**os.environ, **OFFLINE, "HOME": str(folder), **variables}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)  # noqa: S603 - our own interpreter
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
