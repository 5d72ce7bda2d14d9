"""Measures profiles on text that they were not made from: the proof of `coherence calibrate`.

    python benchmarks/profiles.py --texts DIR

DIR holds a folder of text files for every kind, `KIND` or `KIND-PART`: `code-python`, `data-json`,
`logs-servers`, `french`. If KIND is a profile that comes with the package, it is tested. For each folder a
profile is calibrated on every other file, and tested on the rest. The texts are not part of this repository.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean

from coherence.scoring.calibration import Proof, calibrate, prove
from coherence.scoring.profile import SHIPPED, Profile

DRAWS = 60
"""Lines, blocks, and passages of each length that are drawn from a folder, approximately."""

MOST = 100_000
"""Characters of a file that a profile is calibrated on."""


def main() -> None:
    """Print a line for each folder and profile, and the mean of each profile that comes with the package."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--texts", type=Path, required=True, metavar="DIR")
    parser.add_argument("only", nargs="*", metavar="FOLDER", help="only these folders of DIR")
    options = parser.parse_args()
    print(f"{'text':18} {'profile':12} lines x 40, blocks x 5: low   passages: low")
    shipped: dict[str, list[Proof]] = {}
    for folder in sorted(path for path in options.texts.iterdir() if path.is_dir()):
        if options.only and folder.name not in options.only:
            continue
        for name, proof in proofs(folder):
            print(in_a_line(folder.name, name, proof))
            if name in SHIPPED:
                shipped.setdefault(name, []).append(proof)
    for name, found in shipped.items():
        mean = Proof(*(fmean(values) for values in zip(*found, strict=True)))
        print(in_a_line(f"all of {name}", name, mean))


def proofs(folder: Path) -> Iterator[tuple[str, Proof]]:
    """Test the profile that comes with the package, if there is one, and a calibrated one."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}
    if (kind := folder.name.partition("-")[0]) in SHIPPED:
        yield kind, _proof(Profile.load(kind), texts)
    names = list(texts)
    half = "\n\n".join(texts[name][:MOST] for name in names[::2])
    yield "calibrated", _proof(calibrate({folder.name: half}), {name: texts[name] for name in names[1::2]})


def in_a_line(text: str, profile: str, proof: Proof) -> str:
    """Return a proof as a line of the table."""
    return f"{text:18} {profile:12} {proof.lines:9.1%} {proof.blocks:15.1%} {proof.passages:20.1%}"


def _proof(profile: Profile, texts: Mapping[str, str]) -> Proof:
    return prove(profile, texts, draws=max(1, DRAWS // len(texts)))


if __name__ == "__main__":
    main()
