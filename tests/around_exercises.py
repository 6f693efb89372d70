"""Of a lesson in which the exercises are open, the part that this can change.

A stub differs from its solution in what it assigns to some names. Cells that neither read these
names, at first or second hand, nor prepare for a cell that does, are the same in the lesson as it
is committed, and are run there (`--nbval-lax`): most figures, intervals and reports.
"""

import ast
import copy

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

from npc_course.cells import SOLUTION, tags
from npc_course.lesson import assigns, reads


def around_exercises(book: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy with the cells of code that depend on a stub, and those that these need."""
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    names = [_names(cell.source) for cell in cells]
    changed, kept = set(), set()
    for number, (cell, (read, assigned)) in enumerate(zip(cells, names, strict=True)):
        if SOLUTION in tags(cell) or read & changed:
            kept.add(number)
            changed |= assigned
    needed = set()
    for number in reversed(range(len(cells))):
        read, assigned = names[number]
        if number in kept or assigned & needed:
            kept.add(number)
            needed |= read
    part = copy.copy(book)
    part.cells = [cells[number] for number in sorted(kept)]
    return part


def _names(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a cell reads, and those that it assigns or changes a part of."""
    statements = ast.parse(TransformerManager().transform_cell(source)).body
    return set().union(*map(reads, statements)), set().union(*map(assigns, statements))
