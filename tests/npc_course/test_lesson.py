"""What a study cannot support is left out of a lesson, and the rest goes on."""

import sys

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from small_study import make_study

from npc_course import lesson
from npc_helpers.study import NotInThisStudy, Study

REFUSE = "raise TooFewPatients('needs 5 patients with progression by 36 months; 4 have it')"


@pytest.fixture
def study(tmp_path):
    return Study(make_study(tmp_path / "s"))


@pytest.fixture(scope="module")
def shell():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # the shell replaces it
        yield InteractiveShell.instance()
        InteractiveShell.clear_instance()


@pytest.fixture
def run(shell, study, capsys):
    """Run a cell in a notebook that has begun a lesson; return what it printed."""
    shell.reset(new_session=True)
    shell.run_cell("from npc_helpers.statistics import TooFewPatients", store_history=False)
    shell.push({"study": study})
    lesson.begin(study)

    def cell(source):
        capsys.readouterr()
        result = shell.run_cell(source, store_history=False)
        cell.error = result.error_before_exec or result.error_in_exec
        return capsys.readouterr().out

    yield cell
    shell.ast_transformers.clear()


def test_a_cell_that_is_not_refused_runs_and_shows_its_value(run):
    assert run("a = 2\na + 40") == "42\n" or "42" in run("a + 40")
    assert run.error is None


def test_a_table_shows_sentences_to_their_end(run):
    run("import pandas as pd")
    assert "y" * 70 + "." in run("print(pd.DataFrame({'remark': ['y' * 70 + '.']}).to_html())")


def test_a_refusal_is_printed_and_is_no_error(run):
    printed = run(f"before = 1\n{REFUSE}\nafter = 2")
    assert printed == "Left out: needs 5 patients with progression by 36 months; 4 have it\n"
    assert run.error is None
    assert "1" in run("before")


def test_what_needs_it_is_left_out_too_and_the_rest_goes_on(run):
    run(f"{REFUSE}\nauc = 0.7")
    assert run("shown = 3\nrounded = [round(auc + d) for d in (0, 1)]\nprint('never')") == (
        "Left out: it needs auc, which was left out above.\n"
    )
    assert "3" in run("shown")
    assert run("print(rounded)") == "Left out: it needs rounded, which was left out above.\n"
    assert run("print('on')") == "on\n"
    assert run.error is None


@pytest.mark.parametrize(
    "use", ["f'{auc}'", "lambda: auc", "def show(): return auc", "auc.x = 1", "print(*[auc])"]
)
def test_a_name_is_missed_wherever_it_is_read(run, use):
    run(f"{REFUSE}\nauc = 0.7")
    assert run(use) == "Left out: it needs auc, which was left out above.\n"


def test_a_name_of_its_own_is_not_missed(run):
    run(f"{REFUSE}\nname = 'x'")
    assert run("print([name for name in 'ab'], (lambda name: name)(1))") == "['a', 'b'] 1\n"
    assert run("name = 'new'\nprint(name)") == "new\n"
    assert run("print(name)") == "new\n"


def test_a_table_filled_in_part_counts_as_absent(run):
    run("risk = {'a': 1}")
    run(f"for name in 'bc':\n    {REFUSE}\n    risk[name] = 1")
    assert run("print(risk)").startswith("Left out: it needs risk")


def test_what_would_have_been_changed_in_place_counts_as_absent(run):
    run("values = []")
    run(f"{REFUSE}\nvalues.append(1)")
    assert run("print(values)").startswith("Left out: it needs values")


def test_a_value_of_an_earlier_run_is_not_used(run):
    run("auc = 0.9")
    run(f"{REFUSE}\nauc = 0.7")
    assert "needs auc" in run("print(auc)")


def test_a_cell_with_a_loop_runs_again_after_it_was_repaired(run):
    cell = "taken = []\nfor n in range(2):\n    drawn = n\n    {}\n    taken.append(drawn)\ntaken"
    assert run(cell.format(REFUSE)).startswith("Left out: needs 5 patients")
    assert run("print(drawn)") == "Left out: it needs drawn, which was left out above.\n"
    run(cell.format("pass"))
    assert run("print(drawn, taken)") == "1 [0, 1]\n"


def test_what_a_loop_reads_before_it_assigns_it_is_missed(run):
    run(f"{REFUSE}\ntotal = 1")
    said = run("for n in range(2):\n    shown = total + n\n    total = 2")
    assert said == "Left out: it needs total, which was left out above.\n"


def test_another_error_stops_the_notebook(run):
    run("1 / 0")
    assert isinstance(run.error, ZeroDivisionError)


def test_a_missing_artefact_says_why_it_was_left_out(run, study):
    comparison = pd.DataFrame({"model": ["TNM"], "auc": [0.5], "c_index": [0.5]})
    study.write_table("comparison.csv", comparison)
    run(f"{REFUSE}\ncomparison = 1")
    run("study.write_table('comparison.csv', comparison)")
    reason = "needs 5 patients with progression by 36 months; 4 have it"
    assert study.why_left_out("comparison.csv") == reason
    with pytest.raises(NotInThisStudy, match=f"05_compare_with_tnm left comparison.csv.*{reason}"):
        study.read_table("comparison.csv")
    study.write_table("comparison.csv", comparison)
    assert study.why_left_out("comparison.csv") == ""


def test_without_ipython_a_refusal_is_raised(study):
    lesson.begin(study)
    with pytest.raises(NotInThisStudy):
        raise NotInThisStudy("no outcomes")
