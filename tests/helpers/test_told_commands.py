"""Every command line of the documentation is run as it is printed, or listed with a reason."""

import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pydicom
import pytest
from nifti_making import make_hntsmrg, make_npc277
from npc_intake.__main__ import main as intake

from npc_helpers.study import Study
from npc_helpers.study.__main__ import main as study

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINE = re.compile(r"^(?:NPC_\w+=\S+ )?((?:python -m npc_\S+|make)(?: [^#\n`]*)?)", re.MULTILINE)
MAINS = {"npc_helpers.study": study, "npc_intake": intake}
WALK = """\
python -m npc_helpers.study init my_study
python -m npc_helpers.study check my_study
python -m npc_helpers.study init ~/studies/hospital
python -m npc_helpers.study init ~/studies/npc
python -m npc_helpers.study init ~/studies/idc
python -m npc_intake deidentify EXPORT CLEAN --key ~/keys/npc.json
python -m npc_intake deidentify EXPORT2 CLEAN --key ~/keys/npc.json
python -m npc_intake tables ~/studies/hospital ~/studies/npc --key ~/keys/npc.json
python -m npc_intake find CLEAN ~/studies/npc
python -m npc_intake find CLEAN ~/studies/npc --decisions ~/Downloads/series_decisions.csv
python -m npc_intake find CLEAN ~/studies/npc --copy
python -m npc_helpers.study check ~/studies/npc
python -m npc_intake find idc ~/studies/idc
python -m npc_intake find idc ~/studies/idc --copy
python -m npc_intake import-hntsmrg UNPACKED ~/studies/hntsmrg
python -m npc_intake import-npc277 UNPACKED ~/studies/npc277
python -m npc_intake import-npc277 UNPACKED ~/studies/npc277_clean --deidentify ~/keys/npc277.json
""".splitlines()
NOT_HERE = {  # how a command begins -> why it is not run here
    "make ": "sets up an environment of its own; the entry behind it is run by .ci/run",
    "python -m npc_demo ": "draws thousands of images; tests/npc_demo builds smaller ones",
    "python -m npc_helpers ": "sets up an environment; test_environment and .ci/run",
    "python -m npc_intake contours ": "test_contours runs it on structures of these names",
    "python -m npc_intake retrieve ": "needs an archive; test_pacs runs it against Orthanc",
    "python -m npc_intake find ~/studies/npc/data/incoming": "needs what retrieve has fetched",
    "python -m npc_helpers.study dictionary": "test_study compares it with the page",
    "python -m npc_intake import-npc277 UNPACKED ~/studies/npc277 --deidentify": "into another "
    "folder above: the first holds the copies with their headers",
    "python -m npc_course ": "test_course runs it",
}


def told():
    lines = {m[1].strip() for p in PAGES for m in LINE.finditer(p.read_text(encoding="utf-8"))}
    return sorted(lines)


def test_every_line_is_run_or_listed_with_the_reason():
    missing = [line for line in told() if line not in WALK and not line.startswith(tuple(NOT_HERE))]
    assert not missing
    assert len(told()) > 20


@pytest.mark.slow
def test_the_lines_run_one_after_the_other(two_patients, tmp_path, monkeypatch):
    home = tmp_path / "home"
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.chdir(tmp_path)
    hospital = shutil.copytree(two_patients, home / "studies" / "hospital")
    shutil.move(hospital / "data" / "images", tmp_path / "EXPORT")
    for number, path in enumerate((tmp_path / "EXPORT").rglob("*.dcm")):
        image = pydicom.dcmread(path)
        image.SOPInstanceUID = f"2.25.4242.7.{number}"
        image.save_as(path)
    shutil.move(tmp_path / "EXPORT" / "H-02", tmp_path / "EXPORT2")
    pd.read_csv(hospital / "data_manifest.csv").head(0).to_csv(
        hospital / "data_manifest.csv", index=False
    )
    make_npc277(tmp_path / "UNPACKED")
    make_hntsmrg(tmp_path / "UNPACKED")
    shutil.copytree(tmp_path / "UNPACKED" / "data", tmp_path / "idc")
    for line in WALK:
        words = [
            str(Path(word).expanduser()) if "~" in word else word for word in shlex.split(line)
        ]
        if words[3] == "tables":  # the registry that init wrote is empty, and is replaced
            assert Study(home / "studies" / "npc").registry.empty
        if "--decisions" in words:
            series = pd.read_csv(home / "studies/npc/data/found_series.csv", dtype=str)
            chosen = series[["id"]].assign(decided=["pre t2w", *["skip"] * (len(series) - 1)])
            Path(words[-1]).parent.mkdir()
            chosen.to_csv(words[-1], index=False)
        assert MAINS[words[2]](words[3:]) == 0, line
    copied = Study(home / "studies" / "npc").manifest
    assert len(copied) == 1 and copied.loc[0, ["timepoint", "sequence"]].tolist() == ["pre", "t2w"]
