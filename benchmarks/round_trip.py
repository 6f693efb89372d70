"""The whole demonstration study through an archive and back: is it the same, and how fast?

Run with ``python benchmarks/round_trip.py`` (needs Debian's orthanc and orthanc-dicomweb, and
2 GiB of disk). Prints a Markdown table.
"""

from __future__ import annotations

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


def main():
    """Load the study into an archive, fetch it in three ways, import it once and compare."""
    before = Study.demonstration()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        key = Key.open(folder / "key.json")
        server = orthanc.Orthanc(folder / "archive").start()
        files = [f for f in before.folder.glob("data/images/**/*.dcm") if "mask" not in str(f)]
        print(f"stored {server.load(files)} images")
        registry = before.registry
        imaged = registry[registry["patient_id"].isin(before.manifest["patient_id"])]
        print(
            "| way | images | seconds | images per second | again, seconds |\n|---|---|---|---|---|"
        )
        try:
            for way, settings in WAYS.items():
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
        compare(before, Study(study), key)


def compare(before: Study, after: Study, key: Key) -> None:
    """Say how many series, rectangles and survival times are the same in both studies."""
    there, here = load_stacks(before), load_stacks(after)
    same = sum(
        np.array_equal(there[patient, *rest].array, here[key.pseudonym(patient), *rest].array)
        for patient, *rest in there
    )
    print(f"series with the same pixels: {same} of {len(there)} (found again: {len(here)})")
    tables = [pd.read_csv(s.table_path("suggested_rois"), dtype=str) for s in (before, after)]
    survival = [progression_free_survival(study.registry) for study in (before, after)]
    for what, (old, new) in {"rectangles": tables, "survival times": survival}.items():
        old = old.assign(patient_id=old["patient_id"].map(key.pseudonym))
        equal = (old.fillna("") == new.fillna("")).all(axis=1).sum()
        print(f"{what} that are the same: {equal} of {len(old)}")


if __name__ == "__main__":
    main()
