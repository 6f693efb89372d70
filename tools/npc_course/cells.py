"""What the tags of a lesson's cells mean, and the student's version made from the solution.

=============  =====================================================================================
tag            meaning
=============  =====================================================================================
``claim``      says a sentence about the result above, and tests it; its code is folded
``timeless``   shows a figure or table of which nothing is said that a result could contradict
``exercise``   the question (text)
``solution``   the answer (code), of which the student's stub is made
``notes``      for the teacher (text): left out of what learners get, spoken text of the slides
=============  =====================================================================================

In a solution, a line that the learner writes ends in ``# fill in``, and one to be mended in
``# repair: `` with the wrong code. The stub replaces what stands to the right of the first ``=``.
"""

import ast
import copy
import re

import nbformat

CLAIM, TIMELESS, EXERCISE, SOLUTION, NOTES = (
    "claim", "timeless", "exercise", "solution", "notes",
)  # fmt: skip
LEARNERS_LINE = re.compile(
    r"^(?P<left>\s*\w+ = )(?P<right>.+?)  # (?:fill in|repair: (?P<wrong>.+))$"
)
SHOWS_NOTHING = {"print", "check", "claim", "footer", "begin", "compile"}
WRITERS = {"write_table", "write_file"}


class TagError(ValueError):
    """A cell's tags and its content do not fit."""


def tags(cell: nbformat.NotebookNode) -> set[str]:
    """Return the tags of a cell."""
    return set(cell.metadata.get("tags", []))


def fold_claims(notebook: nbformat.NotebookNode) -> None:
    """Let the code of claims be folded where a notebook is opened; what they say is shown."""
    for cell in notebook.cells:
        if CLAIM in tags(cell):
            cell.metadata["jupyter"] = {"source_hidden": True}


def lay_out_slides(notebook: nbformat.NotebookNode) -> None:
    """Say in each cell's metadata where it stands when the lesson is presented in JupyterLab.

    A section is a slide, what it shows and what it asks are below it, and what belongs to them
    goes along. It is the metadata that JupyterLab itself writes (*Property inspector*).
    """
    for number, cell in enumerate(notebook.cells):
        heading = cell.cell_type == "markdown" and cell.source.startswith("## ")
        kind = "notes" if NOTES in tags(cell) else "slide" if heading or not number else ""
        if not kind and (EXERCISE in tags(cell) or shows_something(cell)):
            kind = "subslide"
        if kind:
            cell.metadata["slideshow"] = {"slide_type": kind}


def shows_something(cell: nbformat.NotebookNode) -> bool:
    """Tell from the code whether a cell shows a figure, a table or a panel."""
    if cell.cell_type != "code" or tags(cell) & {CLAIM, SOLUTION}:
        return False
    statements = ast.parse(cell.source).body
    last = statements[-1] if statements else None
    if not isinstance(last, ast.Expr):
        return False
    called = last.value.func if isinstance(last.value, ast.Call) else None
    name = getattr(called, "id", getattr(called, "attr", ""))
    return name not in SHOWS_NOTHING | WRITERS


def unclaimed(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the code of each cell that shows something and is followed by no claim.

    The claim stands before the next cell that shows something, with text between at most.
    """
    lacking = []
    for number, cell in enumerate(notebook.cells):
        if not shows_something(cell) or TIMELESS in tags(cell):
            continue
        code = (c for c in notebook.cells[number + 1 :] if c.cell_type == "code")
        following = next(code, None)
        if following is None or CLAIM not in tags(following):
            lacking.append(cell.source)
    return lacking


def stub(source: str) -> str:
    """Return what a learner starts from, made of a solution.

    Raises
    ------
    TagError
        If no line of the solution is the learner's.
    """
    lines = source.splitlines()
    matches = [LEARNERS_LINE.match(line) for line in lines]
    if not any(matches):
        raise TagError(f"no line ends in '# fill in' or '# repair: …' in this solution:\n{source}")
    return "\n".join(
        line if match is None else _stubbed(match)
        for line, match in zip(lines, matches, strict=True)
    )


def _stubbed(line: re.Match) -> str:
    if line["wrong"]:
        return f"{line['left']}{line['wrong']}  # repair this line"
    return f"{line['left']}...  # your answer"


def without(notebook: nbformat.NotebookNode, *unwanted: str) -> nbformat.NotebookNode:
    """Return a copy of a notebook without the cells that have one of these tags."""
    copied = copy.deepcopy(notebook)
    copied.cells = [cell for cell in copied.cells if not tags(cell) & set(unwanted)]
    return copied


def student_version(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy with stubs instead of solutions, without outputs and notes for the teacher."""
    student = without(notebook, NOTES)
    student.metadata.pop("jupytext", None)  # a copy is paired with nothing
    for cell in student.cells:
        if SOLUTION in tags(cell):
            cell.source = stub(cell.source)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    fold_claims(student)
    lay_out_slides(student)
    return student


def solution_version(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy with solutions and outputs, without notes for the teacher."""
    solved = without(notebook, NOTES)
    solved.metadata.pop("jupytext", None)
    for cell in solved.cells:
        if SOLUTION in tags(cell):
            cell.source = solved_source(cell.source)
    return solved


def solved_source(source: str) -> str:
    """Return a solution without the marks that its stub is made by."""
    return re.sub(r"  # (fill in|repair: .+)$", "", source, flags=re.MULTILINE)


def facts(cell: nbformat.NotebookNode) -> list[dict]:
    """Return what claims and checks noted of themselves in the outputs of a cell."""
    noted = (output.get("metadata", {}).get("npc") for output in cell.get("outputs", []))
    return [dict(fact) for fact in noted if fact]


def unsolved(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what an executed notebook's exercises said to each answer that was not right."""
    return [
        output["data"]["text/plain"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.get("metadata", {}).get("npc", {}).get("right") is False
    ]
