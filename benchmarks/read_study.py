"""How fast are the images read? A plain pydicom loop, `load_stacks`, and its second opening.

Run with ``python benchmarks/read_study.py [--patients 40]``; prints a Markdown table, with the
readers of SimpleITK and MONAI in it where these are installed. On a machine with other work
``--processor`` measures processor time, of one process. Works on copies of the study's images in a
temporary folder, so the caches of the study stay as they are.
"""

import argparse
import shutil
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels import apply_rescale

from npc_helpers.imaging import roi
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.study import Study
from npc_helpers.study.settings import TUTORIAL


def copy_of(study, folder, *, patients):
    """Copy the tables and images of the first patients; returns the smaller study."""
    manifest = study.manifest
    chosen = list(dict.fromkeys(manifest["patient_id"]))[:patients]
    manifest = manifest[manifest["patient_id"].isin(chosen)]
    for path in manifest["path"]:
        shutil.copytree(study.folder / path, folder / path)
    (folder / "data").mkdir(exist_ok=True)
    shutil.copy(study.table_path("registry"), folder / "data")
    manifest.to_csv(folder / "data_manifest.csv", index=False)
    return Study(folder)


def plain_loop(study):
    """Decode every image one by one as pydicom does it, keeping none; returns their number."""
    number = 0
    for relative in study.manifest["path"]:
        for path in sorted((study.folder / relative).glob("*.dcm")):
            _ = pydicom.dcmread(path).pixel_array
            number += 1
    return number


def simpleitk_reader(study):
    """Read every series as an ordered volume with SimpleITK, keeping none."""
    import SimpleITK

    for relative in study.manifest["path"]:
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(study.folder / relative)))
        SimpleITK.GetArrayViewFromImage(reader.Execute())


def monai_reader(study):
    """Read every series as an ordered volume with MONAI, keeping none."""
    from monai.data import PydicomReader

    reader = PydicomReader()
    for relative in study.manifest["path"]:
        reader.get_data(reader.read(str(study.folder / relative)))


def same_pixels(stacks, study):
    """True if both ways give the same images, rescaled and from below upwards."""
    for key, series in stacks.items():
        headers = [pydicom.dcmread(path) for path in study.series_folder(*key).glob("*.dcm")]
        headers.sort(key=lambda header: header.ImagePositionPatient[2])
        plain = [apply_rescale(header.pixel_array, header) for header in headers]
        if not np.allclose(plain, series.array, rtol=1e-6):
            return False
    return True


def timed(function, clock):
    """Return the result and the seconds it took."""
    start = clock()
    result = function()
    return result, clock() - start


def main():
    """Measure on a copy of the study and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--processor", action="store_true", help="processor time, one process")
    options = parser.parse_args()
    clock = time.process_time if options.processor else time.perf_counter
    counts = [1] if options.processor else options.workers
    with tempfile.TemporaryDirectory() as temporary:
        study = copy_of(Study.open(), Path(temporary), patients=options.patients)
        plain_loop(study)
        number, reference = timed(lambda: plain_loop(study), clock)
        rows = [("plain pydicom loop", reference)]
        for package, read in (("SimpleITK", simpleitk_reader), ("MONAI", monai_reader)):
            if find_spec(package) or find_spec(package.lower()):
                read(study)  # the first time some libraries load themselves
                rows.append((package, timed(lambda read=read: read(study), clock)[1]))
        for workers in counts:
            shutil.rmtree(study.result_path("stacks"), ignore_errors=True)
            stacks, seconds = timed(lambda n=workers: load_stacks(study, workers=n), clock)
            rows.append((f"load_stacks, workers={workers}", seconds))
        stacks, seconds = timed(lambda: load_stacks(study), clock)
        assert same_pixels(stacks, study), "the pixels differ"
        rows.append(("load_stacks, second opening", seconds))
        rois = roi.suggest_rois(study, stacks)
        _, seconds = timed(lambda: roi.network_inputs(stacks, rois, setting=TUTORIAL), clock)
        rows.append(("network_inputs", seconds))
    print(f"{number} images of {len(stacks)} series\n")
    print("| step | seconds | ms per image | times as fast as the loop |\n|---|---|---|---|")
    for name, seconds in rows:
        per_image = 1000 * seconds / number
        print(f"| {name} | {seconds:.2f} | {per_image:.2f} | {reference / seconds:.2f} |")


if __name__ == "__main__":
    main()
