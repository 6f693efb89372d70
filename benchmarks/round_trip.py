"""The demonstration study through an archive and back: is it the same, and how fast?

    python benchmarks/round_trip.py [--patients 30] [--ways C-GET]

Needs Debian's orthanc and orthanc-dicomweb; the whole study takes 2 GiB of disk. Prints a Markdown
table, and how many series, rectangles and survival times are the same afterwards; the exit status
is 1 where one is not.
"""

import argparse
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import orthanc
from npc_intake import pacs
from npc_intake.__main__ import main as intake
from npc_intake.deidentify import Key

from npc_helpers.cohort import progression_free_survival
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.study import Study, init

WAYS = {"DICOMweb": "web", "C-GET": "classic", "C-MOVE": "moving"}


def main() -> int:
    """Load the study into an archive, fetch it in one to three ways, import it and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, help="the first so many; all without it")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    options = parser.parse_args()
    before = Study.demonstration()
    patients = sorted(set(before.manifest["patient_id"]))[: options.patients]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        key = Key.open(folder / "key.json")
        server = orthanc.Orthanc(folder / "archive").start()
        files = [
            file
            for path in before.manifest.query("patient_id in @patients")["path"]
            for file in sorted((before.folder / path).glob("*.dcm"))
        ]
        print(f"stored {server.load(files)} images")
        registry = before.registry
        imaged = registry[registry["patient_id"].isin(patients)]
        print(
            "| way | images | seconds | images per second | again, seconds |\n|---|---|---|---|---|"
        )
        try:
            for way in options.ways:
                settings = WAYS[way]
                study = folder / settings
                init(study)
                with closing(pacs.connect(getattr(server, settings))) as archive:
                    plan = pacs.plan(archive, imaged, key)
                    seconds = []
                    for _ in range(2):
                        start = time.perf_counter()
                        log = pacs.retrieve(archive, plan, study, key)
                        seconds.append(time.perf_counter() - start)
                        assert set(log["state"]) == {"done"}
                print(
                    f"| {way} | {plan.n_images} | {seconds[0]:.0f} | "
                    f"{plan.n_images / seconds[0]:.0f} | {seconds[1]:.1f} |"
                )
        finally:
            server.kill()
        intake(["tables", str(before.folder), str(study), "--key", str(folder / "key.json")])
        intake(["find", str(study / pacs.INCOMING), str(study), "--copy"])
        return compare(before, Study(study), key, patients)


def compare(before: Study, after: Study, key: Key, patients: list[str]) -> int:
    """Say how much is the same in both studies; return 1 if anything is not."""
    original, returned = load_stacks(before), load_stacks(after)
    wanted = [place for place in original if place[0] in patients]
    same = sum(
        (key.pseudonym(patient), *rest) in returned
        and np.array_equal(
            original[patient, *rest].array, returned[key.pseudonym(patient), *rest].array
        )
        for patient, *rest in wanted
    )
    print(f"series with the same pixels: {same} of {len(wanted)} (found again: {len(returned)})")
    differs = same != len(wanted) or len(returned) != len(wanted)
    tables = [pd.read_csv(s.table_path("suggested_rois"), dtype=str) for s in (before, after)]
    survival = [progression_free_survival(study.registry) for study in (before, after)]
    for name, (old, new) in {"rectangles": tables, "survival times": survival}.items():
        old = old.assign(patient_id=old["patient_id"].map(key.pseudonym))
        equal = (old.fillna("") == new.fillna("")).all(axis=1).sum()
        print(f"{name} that are the same: {equal} of {len(old)}")
        differs |= equal != len(old)
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())
