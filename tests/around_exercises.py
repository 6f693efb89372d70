"""Of a lesson in which the exercises are open, the part that this can change.

A stub differs from its solution in what it assigns to some names. Cells that neither read these
names, at first or second hand, nor prepare for a cell that does, are the same in the lesson as it
is committed, and are run there (`--nbval-lax`): most figures, intervals and reports. What writes an
artefact is run here as well, since a learner's goes to another place.
"""

import ast
import copy

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

from npc_course.cells import SOLUTION, tags
from npc_course.lesson import assigns, reads, written


def around_exercises(book: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy with the cells of code that depend on a stub, and those that these need."""
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    statements = [ast.parse(TransformerManager().transform_cell(c.source)).body for c in cells]
    read = [set().union(*map(reads, cell)) for cell in statements]
    assigned = [set().union(*map(assigns, cell)) for cell in statements]
    changed, kept = set(), set()
    for number, cell in enumerate(cells):
        if SOLUTION in tags(cell) or read[number] & changed:
            kept.add(number)
            changed |= assigned[number]
        elif any(map(written, statements[number])):
            kept.add(number)
    needed = set()
    for number in reversed(range(len(cells))):
        if number in kept or assigned[number] & needed:
            kept.add(number)
            needed |= read[number]
    part = copy.copy(book)
    part.cells = [cells[number] for number in sorted(kept)]
    return part
