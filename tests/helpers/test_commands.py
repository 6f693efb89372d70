"""What the suite's commands remove, and what they leave."""

import subprocess
import sys

import pandas as pd
import pytest
from small_study import make_study

import npc_helpers.__main__ as commands
from npc_helpers.study import Study


@pytest.fixture
def repository(tmp_path, monkeypatch):
    for name in ("ROOT", "VENV"):
        monkeypatch.setattr(commands, name, tmp_path / {"ROOT": "", "VENV": ".venv"}[name])
    for name in ("results/tutorial/comparison.csv", "data/images/SYN-1/pre/1.dcm", ".venv/python"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("made by a program")
    return tmp_path


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("with_environment", [False, True])
def test_clean_keeps_what_people_made(repository, with_environment):
    drawn = repository / "data" / "by_hand" / "rois_reader1.csv"
    drawn.parent.mkdir()
    drawn.write_text("drawn")
    (repository / "results" / "rois_reader1.csv").write_text("drawn with an earlier version")
    (repository / "results" / "rois_reader2.csv").write_text("also")
    assert commands.clean(everything=with_environment) == 0
    by_hand = {f"data/by_hand/rois_reader{n}.csv" for n in ("1", "1_2", "2")}
    rest = set() if with_environment else {"data/images/SYN-1/pre/1.dcm", ".venv/python"}
    assert files(repository) == by_hand | rest
    assert drawn.read_text() == "drawn"


def test_clean_keeps_a_result_that_somebody_edited(repository, capsys):
    study = Study(make_study(repository))
    appraisal = pd.DataFrame({"claim": ["a", "b"], "printed": "0.8", "verdict": "True"})
    for _ in range(2):
        path = study.write_table("appraisal.csv", appraisal)
        windows = path.with_name("windows.csv")  # as git checks it out there: not an edit
        windows.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        note = path.with_name("appraisal.csv.from.json")
        note.with_name("windows.csv.from.json").write_text(note.read_text())
        path.write_text(path.read_text().replace("0.8", "0.9"))
        commands.clean(everything=False)
    kept = repository / "data" / "by_hand" / "edited"
    assert {path.name for path in kept.iterdir()} == {"appraisal.csv", "appraisal_2.csv"}
    assert pd.read_csv(kept / "appraisal.csv")["printed"].tolist() == [0.9, 0.9]
    assert "kept data/by_hand/edited/appraisal.csv" in capsys.readouterr().out
    assert not (repository / "results").exists()


def test_clean_all_keeps_images_that_nobody_can_make_again(repository, capsys):
    (repository / "data_manifest.csv").write_text("patient_id,source\nP1,synthetic\nP2,hospital\n")
    commands.clean(everything=True)
    assert (repository / "data" / "images").exists() and not (repository / ".venv").exists()
    assert "kept data/images" in capsys.readouterr().out
    (repository / "data_manifest.csv").write_text("patient_id,source\nP1,synthetic\n")
    commands.clean(everything=True)
    assert not (repository / "data" / "images").exists()


def test_clean_needs_nothing_but_python(repository):
    script = (
        "import sys; sys.modules.update(numpy=None, pandas=None, psutil=None)\n"
        "import pathlib, npc_helpers.__main__ as c; c.ROOT = pathlib.Path(sys.argv[1])\n"
        "raise SystemExit(c.clean(everything=False))"
    )
    done = subprocess.run([sys.executable, "-c", script, repository], capture_output=True)
    assert done.returncode == 0 and not (repository / "results").exists(), done.stderr
