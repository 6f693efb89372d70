"""Mutation testing of a chosen list: each fault, put into a copy of the code, must fail a test.

Every entry is a fault that once survived the whole suite, or one of its kind. The text that is
replaced must stand in the file exactly once, so that a rewritten line asks for a new entry.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ("npc_helpers", "tools", "tests", "notebooks", "pyproject.toml")
PYTEST = """
import sys
sys.modules["rfc3987_syntax"] = None  # a grammar of addresses: a fifth of the time of a short run
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


class Mutant(NamedTuple):
    """A fault: `old` becomes `new` in `path`, and one of the `tests` must notice."""

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = [
    Mutant(
        "redo is not cleared after a new drawing",
        "npc_helpers/widgets/roi_session.py",
        "        self._redo.clear()\n",
        "        pass\n",
        ("tests/helpers/test_roi.py::test_a_new_drawing_ends_what_could_be_taken_again",),
    ),
    Mutant(
        "a refusal in a widget is not escaped",
        "npc_helpers/widgets/integer_boxes.py",
        "<b role='alert'>{escape(sentence)}</b>",
        "<b role='alert'>{sentence}</b>",
        ("tests/helpers/test_widgets.py::test_text_of_tables_never_becomes_markup",),
    ),
    Mutant(
        "padding is off by one for odd heights",
        "npc_helpers/imaging/rectangle.py",
        "    top, left = pad_offset(Rectangle(0, 0, columns, rows), size)\n",
        "    top, left = (size - rows + 1) // 2, (size - columns) // 2\n",
        (
            "tests/helpers/test_roi.py"
            "::test_of_an_odd_rest_the_larger_half_is_below_and_to_the_right",
        ),
    ),
    Mutant(
        "an entry is missing among the personal elements",
        "tools/npc_intake/identity/check.py",
        '"PatientAddress"',
        '"PatientID"',
        (
            "tests/npc_intake/test_identity.py"
            "::test_the_list_of_personal_elements_is_that_of_the_standard",
        ),
    ),
    Mutant(
        "the note before is forgotten while its table is replaced",
        "npc_helpers/study/artefacts.py",
        '_write_note(path, note | {"before": before})',
        "_write_note(path, note)",
        (
            "tests/helpers/test_artefacts.py"
            "::test_wherever_the_writer_is_killed_the_table_has_its_note",
        ),
    ),
    Mutant(
        "the stack cache ignores the dates of files",
        "npc_helpers/imaging/stacks.py",
        "max((stat.st_mtime_ns for stat in stats), default=0)",
        "0",
        (
            "tests/helpers/test_stacks.py"
            "::test_one_changed_pixel_in_a_file_of_the_same_size_is_noticed_by_its_date",
        ),
    ),
    Mutant(
        "the keep-list keeps larger numbers",
        "tools/npc_intake/deidentify/keep_list.py",
        '    "WindowWidth": (0, 99_999),\n',
        '    "WindowWidth": (0, 9_999_999_999),\n',
        ("tests/npc_intake/test_keep_list.py::test_every_number_has_its_limits",),
    ),
    Mutant(
        "the examination after treatment is taken from before it",
        "tools/npc_intake/find/timepoints.py",
        "_chosen(by_status, lambda day: day > end_or_start, min)",
        "_chosen(by_status, lambda day: day <= start, min)",
        ("tests/npc_intake/test_find_series.py::test_time_points_by_dates",),
    ),
    Mutant(
        "an examination before treatment is called after it",
        "tools/npc_intake/find/timepoints.py",
        'places[day] = _place("pre", day, before, start)',
        'places[day] = _place("post", day, before, start)',
        ("tests/npc_intake/test_find_series.py::test_time_points_by_dates",),
    ),
    Mutant(
        "the slices of a series are not sorted",
        "tools/npc_intake/find/volumes.py",
        "    return sorted(files, key=lambda file: (file.lowest, file.path))\n",
        "    return files\n",
        ("tests/npc_intake/test_thumbnails.py::test_the_middle_is_found_by_position_not_by_name",),
    ),
    Mutant(
        "an agent that every series names counts",
        "tools/npc_intake/find/series.py",
        "if len(begun) > 1 and all(",
        "if len(begun) > 9 and all(",
        (
            "tests/npc_intake/test_find_series.py"
            "::test_an_agent_that_every_series_names_tells_nothing",
        ),
    ),
    Mutant(
        "what was walked in one file stands in for another of the same length",
        "tools/npc_intake/find/headers.py",
        "if stretch and data[start : start + len(stretch.content)] == stretch.content:",
        "if stretch:",
        (
            "tests/npc_intake/test_volumes.py"
            "::test_what_was_walked_in_one_file_never_stands_in_for_another",
        ),
    ),
    Mutant(
        "dates are not shifted",
        "tools/npc_intake/deidentify/header.py",
        "+ timedelta(days=days)",
        "+ timedelta(days=0)",
        (
            "tests/npc_intake/test_confidentiality_profile.py"
            "::test_what_stays_is_not_what_was_planted",
        ),
    ),
    Mutant(
        "every word of the image type stays",
        "tools/npc_intake/deidentify/keep_list.py",
        "[value if usual(value) in allowed else listed(value) for value in values]",
        "list(values)",
        ("tests/npc_intake/test_keep_list.py::test_words_of_the_image_type_stay_in_their_places",),
    ),
    Mutant(
        "one word of the image type that nobody knows stays",
        "tools/npc_intake/deidentify/keep_list.py",
        "        return kept if any(kept) else []\n",
        "        return [*kept[:-1], values[-1]] if any(kept) else []\n",
        ("tests/npc_intake/test_keep_list.py",),
    ),
    Mutant(
        "dates move by a day that is no week",
        "tools/npc_intake/deidentify/pseudonyms.py",
        "return -7 * (1 + number % WEEKS)",
        "return -7 * (1 + number % WEEKS) + 1",
        ("tests/npc_intake/test_deidentify.py",),
    ),
    Mutant(
        "small letters make no folder of their own",
        "tools/npc_intake/find/folder_names.py",
        '_PLAIN = re.compile(r"[A-Z0-9_-]+")',
        '_PLAIN = re.compile(r"[A-Za-z0-9_-]+")',
        ("tests/npc_intake/test_folder_names.py",),
    ),
    Mutant(
        "tables are written with formulas in them",
        "npc_helpers/study/tables.py",
        "        defused_table(table).to_csv(",
        "        table.to_csv(",
        ("tests/npc_intake/test_csv_formulas.py",),
    ),
    Mutant(
        "an image in two series is not noticed",
        "tools/npc_intake/find/volumes.py",
        "if file.claim in twice]",
        "if file.claim in {}]",
        ("tests/npc_intake/test_volumes.py",),
    ),
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the code and its tests, which may be spoilt."""
    folder = tmp_path_factory.mktemp("mutants")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "adversarial", "browser")
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copy(source, folder / name)
    (folder / "data").symlink_to(ROOT / "data")
    return folder


def run_tests(checkout, tests):
    paths = os.pathsep.join([str(checkout), str(checkout / "tools")])
    options = ["-q", "-x", "-n0", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-c", PYTEST, *options, *tests],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "_"))
def test_the_text_of_a_fault_stands_in_the_code_once(mutant):
    """Fast, so that whoever rewrites a line is told at once to write its fault anew."""
    assert (ROOT / mutant.path).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.new != mutant.old
    for test in mutant.tests:
        path, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "_"))
def test_a_fault_fails_a_test(checkout, mutant):
    path = checkout / mutant.path
    sound = path.read_text(encoding="utf-8")
    assert sound.count(mutant.old) == 1, f"{mutant.path} has changed: write the fault anew"
    path.write_text(sound.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        result = run_tests(checkout, mutant.tests)
    finally:
        path.write_text(sound, encoding="utf-8")
    assert result.returncode == 1, f"nothing noticed it:\n{result.stdout[-2000:]}{result.stderr}"


@pytest.mark.slow
def test_the_copy_itself_is_sound(checkout):
    """Otherwise every mutant would fail for a reason that has nothing to do with its fault."""
    tests = sorted({test for mutant in MUTANTS for test in mutant.tests})
    result = run_tests(checkout, tests)
    assert result.returncode == 0, result.stdout[-3000:]
