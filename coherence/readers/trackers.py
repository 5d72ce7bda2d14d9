"""Finds what experiment trackers keep below a folder: MLflow's file store, DVCLive.

Says what to do about stores that are not read: Aim's, and the archives of Comet and ClearML.
"""

import re
import shlex
import zipfile

from coherence.readers import storage
from coherence.readers.lines import read_head
from coherence.readers.objects.names import LOSS

MLRUNS, ABOUT, ARTIFACTS = "mlruns", "meta.yaml", "artifacts"
"""MLflow's store, the file in the folder of a run that describes it, and the folder of tables and texts."""

METRICS = (("metrics", ""), ("plots/metrics", ".tsv"), ("dvclive/plots/metrics", ".tsv"))
"""Folders with one file for each metric, and the extension of those files: MLflow's, and DVCLive's."""

AIM = ".aim"

AIM_IS_NOT_READ = (
    "Aim's store is not read; run `aim up`, export the loss from its page as CSV with the columns step and "
    "loss, and give that as --loss"
)

ARCHIVES = {
    "messages.json": (
        'an archive of Comet is not read; unzip -p {} messages.json | jq -c \'select(.type=="metric_msg")'
        '.payload.metric | select(.metricName=="loss") | {{step, loss: .metricValue}}\' > loss.jsonl'
    ),
    "metrics.jsonl": (
        'an archive of ClearML is not read; unzip -p {} metrics.jsonl | jq -c \'.[] | select(.metric=="loss")'
        " | {{step: .iter, loss: .value}}' > loss.jsonl"
    ),
}
"""How to extract the losses, by the name of the entry that holds what was logged."""

MOST_ARCHIVES = 10
"""Archives of a folder that are opened."""


def runs_in(folder: str) -> list[str]:
    """Return the folders of MLflow's runs in a folder that is its store or an experiment in it; else none."""
    place = storage.literal(folder)
    if _name(folder) == MLRUNS:
        found = storage.matching(f"{place}/*/*/{ABOUT}")
    elif _name(storage.parent(folder)) == MLRUNS:
        found = storage.matching(f"{place}/*/{ABOUT}")
    else:
        found = []
    return sorted(map(storage.parent, found), key=lambda run: (int(_told(run, "start_time") or 0), run))


def name_of_run(folder: str) -> str | None:
    """Return MLflow's name for the run in a folder; None for any other folder."""
    return _told(folder, "run_name")


def loss_in(folder: str) -> list[str]:
    """Return the file of the training loss in the folder of a run, by the best known name; or none."""
    for place, ending in METRICS:
        metrics = storage.join(folder, place)
        if storage.is_folder(metrics):
            named = (storage.join(metrics, f"{name}{ending}") for name in LOSS)
            if found := [path for path in named if storage.exists(path) and not storage.is_folder(path)]:
                return found[:1]
    return []


def unread_in(folder: str) -> str | None:
    """Return which store in a folder is not read, and what to do; None if there is none."""
    if _name(folder) == AIM or storage.exists(storage.join(folder, AIM)):
        return AIM_IS_NOT_READ
    if storage.is_url(folder):
        return None
    archives = storage.matching(f"{storage.literal(folder)}/*.zip")[:MOST_ARCHIVES]
    return next((found for path in archives if (found := unread(path))), None)


def unread(path: str) -> str | None:
    """Return what to do with an archive that Comet or ClearML wrote; None for any other file."""
    if not _name(path).endswith(".zip") or storage.is_url(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile):
        return None
    return next((what.format(shlex.quote(path)) for name, what in ARCHIVES.items() if name in names), None)


def _told(folder: str, key: str) -> str | None:
    """Return the value of a key in the description of an MLflow run."""
    path = storage.join(folder, ABOUT)
    if not storage.exists(path):
        return None
    found = re.search(rf"^{key}: (.+)$", read_head(path).text, re.MULTILINE)
    return found[1].strip("'\" ") if found else None


def _name(folder: str) -> str:
    return storage.bare_name(folder.rstrip("/"))
