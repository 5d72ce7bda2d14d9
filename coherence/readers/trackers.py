"""Where experiment trackers keep what was logged to them below a folder: MLflow's file store, DVCLive."""

import re

from coherence.readers import storage
from coherence.readers.lines import read_head
from coherence.readers.objects.names import LOSS

MLRUNS, ABOUT, ARTIFACTS = "mlruns", "meta.yaml", "artifacts"
"""MLflow's store, what a file in the folder of a run tells of it, and where it keeps tables and texts."""

METRICS = (("metrics", ""), ("plots/metrics", ".tsv"), ("dvclive/plots/metrics", ".tsv"))
"""Folders in which each metric is a file of its name, and how that ends: MLflow's, and DVCLive's."""


def runs_in(folder: str) -> list[str]:
    """Return the folders of MLflow's runs at a folder: its store, or an experiment in it; none elsewhere."""
    place = storage.literal(folder)
    if _name(folder) == MLRUNS:
        found = storage.matching(f"{place}/*/*/{ABOUT}")
    elif _name(storage.parent(folder)) == MLRUNS:
        found = storage.matching(f"{place}/*/{ABOUT}")
    else:
        found = []
    return sorted(map(storage.parent, found), key=lambda run: (int(_told(run, "start_time") or 0), run))


def name_of_run(folder: str) -> str | None:
    """Return what MLflow calls the run in a folder; None of any other folder."""
    return _told(folder, "run_name")


def loss_in(folder: str) -> list[str]:
    """Return the file of the training loss in the folder of a run, the best known name first; or none."""
    for place, ending in METRICS:
        metrics = storage.join(folder, place)
        if storage.is_folder(metrics):
            named = (storage.join(metrics, f"{name}{ending}") for name in LOSS)
            if found := [path for path in named if storage.exists(path) and not storage.is_folder(path)]:
                return found[:1]
    return []


def _told(folder: str, key: str) -> str | None:
    """Return what the folder of an MLflow run tells under a key."""
    path = storage.join(folder, ABOUT)
    if not storage.exists(path):
        return None
    found = re.search(rf"^{key}: (.+)$", read_head(path).text, re.MULTILINE)
    return found[1].strip("'\" ") if found else None


def _name(folder: str) -> str:
    return storage.bare_name(folder.rstrip("/"))
