"""Whatever is made from a synthetic study says so by itself: figures, widgets, pages, files."""

import inspect
import io
import subprocess
import sys
from html import unescape

import ipywidgets
import nbformat
import numpy as np
import pandas as pd
import pytest
from figure_examples import EXAMPLES, TABLE
from matplotlib.text import Text
from PIL import Image
from plotly.graph_objects import Figure as PlotlyFigure
from small_study import change, load, make_study, save, with_images

from npc_course.notebooks import to_html
from npc_helpers import figures, widgets
from npc_helpers.figures import display
from npc_helpers.figures.report import Report
from npc_helpers.imaging.roi import suggest_rois
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.network.map_geometry import Geometry
from npc_helpers.study import Study, mark
from npc_helpers.widgets.gradcam_explorer import Examination
from npc_helpers.widgets.roi_session import RoiSession

MARK = "study made-up_50%, synthetic patients"
FIGURES = {name for name, _ in inspect.getmembers(figures, inspect.isfunction)} - {"overlay"}
NOT_OF_THE_STUDY = {"printed_intervals_figure"}  # the paper's own numbers, and says so


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study of synthetic patients whose name is awkward for LaTeX."""
    folder = make_study(tmp_path_factory.mktemp("studies") / "made-up_50%", patients=4)
    with_images(folder)
    save(folder, "manifest", load(folder, "manifest").assign(source="synthetic"))
    return folder


@pytest.fixture
def study(folder):
    return Study(folder)


def words(figure):
    """Every text of a figure, whichever library drew it."""
    if isinstance(figure, PlotlyFigure):
        return [figure.layout.title.text]
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_every_figure_carries_the_mark(study, name):
    expected = "printed by Li et al. 2022" if name in NOT_OF_THE_STUDY else MARK
    assert expected in words(EXAMPLES[name]())


def session(study, path):
    stacks = load_stacks(study)
    rois = suggest_rois(study, stacks)
    first = rois.iloc[0]
    return RoiSession(
        stacks, rois, patient_id=first.patient_id, timepoint=first.timepoint, reader_id="reader1",
        path=path / "rois_reader1.csv",
    )  # fmt: skip


def explorer():
    names = ["sequence", "slice_index", "x0", "y0", "x1", "y1"]
    index = pd.DataFrame([("t2w", 0, 1, 1, 9, 9)], columns=names)
    return widgets.GradCamExplorer(
        ["P1"], lambda *where: Examination({"t2w": np.zeros((1, 16, 16), np.uint8)}, index),
        lambda *where: {"margin": np.zeros((1, 6, 6))}, limits={},
        geometry=Geometry(37, 32, 512, 2),
    )  # fmt: skip


SHOWN = {
    "GradCamExplorer": lambda study, path: explorer(),
    "IntegerBoxes": lambda study, path: widgets.IntegerBoxes(session(study, path)),
    "RocExplorer": lambda study, path: widgets.RocExplorer([True, False], {"model": [0.7, 0.2]}),
    "RoiEditor": lambda study, path: widgets.RoiEditor(session(study, path)),
    "ScreeningExplorer": lambda study, path: widgets.ScreeningExplorer(
        study.registry, study.visits
    ),
}


def sent_to_the_browser(widget):
    """Every text that a widget and the widgets inside it show."""
    state = widget.get_state()
    texts = [str(value) for name, value in state.items() if name in ("mark", "value")]
    for child in getattr(widget, "children", ()):
        texts += sent_to_the_browser(child)
    return [unescape(text) for text in texts]


@pytest.mark.parametrize("name", widgets.__all__)
def test_every_widget_carries_the_mark(study, tmp_path, name):
    widget = SHOWN[name](study, tmp_path)
    assert isinstance(widget, ipywidgets.DOMWidget)
    assert MARK in sent_to_the_browser(widget)


@pytest.mark.parametrize("file", ["png", "svg", "pdf"])
def test_a_saved_figure_says_it_in_its_metadata(study, tmp_path, file):
    path = tmp_path / f"roc.{file}"
    EXAMPLES["roc_figure"]().savefig(path)
    if file == "png":
        assert Image.open(path).text["Description"] == MARK
    else:
        assert MARK in path.read_bytes().decode("latin-1")


@pytest.mark.parametrize("target", [io.BytesIO, lambda: io.BytesIO(b"")])
def test_a_figure_saved_into_memory_says_it_too(study, target):
    buffer = target()
    EXAMPLES["roc_figure"]().savefig(buffer, format="svg")
    assert MARK in buffer.getvalue().decode()


def test_every_file_of_a_report_carries_the_mark(study, tmp_path):
    report = Report(tmp_path, title="Report")
    report.add_figure("roc", EXAMPLES["roc_figure"](), "ROC curves.")
    report.add_table("patients", TABLE.head(3), "Patients, 95% CI.")
    report.write()
    files = [path for path in tmp_path.rglob("*.*") if path.is_file()]
    assert {path.suffix for path in files} == {".html", ".svg", ".pdf", ".csv", ".tex"}
    for path in files:
        assert "synthetic" in path.read_bytes().decode("latin-1"), path
    assert pd.read_csv(tmp_path / "tables/patients.csv").synthetic.tolist() == ["yes"] * 3
    latex = (tmp_path / "tables/patients.tex").read_text().splitlines()
    assert latex[0] == f"% {MARK}" and r"\begin{table}" in "\n".join(latex[1:])
    caption = next(line for line in latex if line.startswith(r"\caption"))
    assert caption == (r"\caption{Patients, 95\% CI. (study made-up\_50\%, synthetic patients)}")
    page = (tmp_path / "report.html").read_text()
    assert page.count(MARK) == 3  # below the title, two captions


def test_a_page_made_of_a_notebook_carries_the_mark(study, tmp_path):
    to_html(nbformat.v4.new_notebook(), tmp_path / "page.html")
    assert MARK in (tmp_path / "page.html").read_text()


def test_the_caption_and_the_footer_carry_the_mark(study, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda value, **how: shown.append(value))
    display.show(EXAMPLES["roc_figure"](), "", "ROC curves.")
    assert shown[1]["text/plain"] == f"ROC curves. ({MARK})".replace("_", r"\_")
    display.show(EXAMPLES["printed_intervals_figure"](), "", "Intervals.")
    assert shown[3]["text/plain"] == "Intervals. (printed by Li et al. 2022)"
    display.footer(study)
    assert f"4 patients ({MARK})" in capsys.readouterr().out


# --- which mark -------------------------------------------------------------------------------


def test_a_study_of_ones_own_says_its_name_and_no_more(tmp_path):
    Study(make_study(tmp_path / "ours"))
    assert mark.text() == "study ours" and not mark.is_synthetic()
    assert "synthetic" not in mark.on_table(TABLE)


def test_a_synthetic_study_is_not_forgotten_when_another_is_opened(study, tmp_path):
    Study(make_study(tmp_path / "ours"))
    assert mark.text() == f"{MARK}; study ours" and mark.is_synthetic()


def test_the_name_of_a_study_is_no_formula():
    mark.remember(r"trial $\frac{$", "none")
    figure = EXAMPLES["roc_figure"]()
    figure.savefig(io.BytesIO())  # draws it, and would fail on half a formula
    assert r"study trial $\frac{$" in words(figure)


def test_a_study_once_synthetic_stays_so_until_the_process_ends(tmp_path):
    folder = make_study(tmp_path / "ours")
    for source in ("synthetic", "hospital"):
        save(folder, "manifest", load(folder, "manifest").assign(source=source))
        Study(folder)
    assert mark.text() == "study ours, synthetic patients"


def test_some_synthetic_patients_are_enough(tmp_path):
    folder = make_study(tmp_path / "ours")
    change("manifest", 0, "source", " synthetic ")(folder)
    assert Study(folder).mark == mark.text() == "study ours, synthetic patients among them"
    assert mark.is_synthetic() and not Study(folder).is_synthetic


def test_statistics_without_a_study_need_no_mark():
    assert mark.text() == "" and not EXAMPLES["roc_figure"]().texts


def test_a_fresh_process_needs_nothing_but_the_opened_study(folder):
    script = (
        "import sys; from npc_helpers.study import Study; from npc_helpers import figures;"
        "Study(sys.argv[1]);"
        "f = figures.roc_figure([True, False, True], {'TNM': [1, 0, 0]});"
        "print([t.get_text() for t in f.texts])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, folder], capture_output=True, text=True, check=True
    )
    assert MARK in result.stdout
