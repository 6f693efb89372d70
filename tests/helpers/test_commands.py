"""What the suite's commands remove, and what they leave."""

import pytest

import npc_helpers.__main__ as commands


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


@pytest.mark.parametrize("everything", [False, True])
def test_clean_keeps_what_people_made(repository, everything):
    drawn = repository / "data" / "by_hand" / "rois_reader1.csv"
    drawn.parent.mkdir()
    drawn.write_text("drawn")
    (repository / "results" / "rois_reader1.csv").write_text("drawn with an earlier version")
    (repository / "results" / "rois_reader2.csv").write_text("also")
    assert commands.clean(everything=everything) == 0
    by_hand = {f"data/by_hand/rois_reader{n}.csv" for n in ("1", "1_earlier", "2")}
    rest = set() if everything else {"data/images/SYN-1/pre/1.dcm", ".venv/python"}
    assert files(repository) == by_hand | rest
    assert drawn.read_text() == "drawn"
