"""Running the notebooks: whatever stops one of them, the next ones run."""

import pytest

from npc_course import notebooks


@pytest.mark.slow
def test_a_cell_that_takes_too_long_stops_its_notebook_only(tmp_path):
    names = []
    for name, cell in (("01_waits", "import time; time.sleep(60)"), ("02_goes_on", "1 + 1")):
        names.append(tmp_path / f"{name}.py")
        names[-1].write_text(f"# %%\n{cell}\n", encoding="utf-8")
    runs = notebooks.run_all(names, tmp_path / "out", logs=tmp_path / "logs", cell_limit_s=3)
    assert "timed out" in runs[0].error.lower() and runs[1].error is None
    assert (tmp_path / "out" / "02_goes_on.ipynb").exists()
