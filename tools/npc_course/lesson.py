"""A lesson on a study that cannot support all of it: that part is left out, the rest goes on.

A statistic refuses what it cannot answer from too few patients, and a study says what it does not
have. After `begin` such a refusal is no error: it is printed where the result would stand, and the
cells that need what was left out are left out with it.
"""

import ast
import copy
import symtable

import pandas as pd

from npc_helpers.statistics import TooFewPatients
from npc_helpers.study import NotInThisStudy, Study
from npc_helpers.study.artefact_table import ARTEFACTS

REFUSALS = (NotInThisStudy, TooFewPatients)
GUARD = "_lesson_guard"  # by this name a cell reaches the guard
CHANGES_IN_PLACE = {
    "add",
    "append",
    "compile",
    "extend",
    "fit",
    "load_weights",
    "set_weights",
    "update",
}
WRITERS = ("keep", "save", "write")  # how functions begin that write an artefact


def begin(study: Study) -> None:
    """From the next cell on, leave out what the study cannot support, with the reason.

    A cell runs until a statement is refused (`TooFewPatients`, `NotInThisStudy`). The reason is
    printed and the rest of the cell is left out. So is, in later cells, each statement that reads
    a name which would have been assigned there, with the rest of its cell. An artefact that is
    not written for this reason is noted in the study (`Study.note_left_out`), so that the next
    notebook and the report can tell why it is missing. Any other exception stops the notebook.
    Tables show sentences to their end.

    Notes
    -----
    Outside IPython nothing changes: a refusal is an exception like any other.
    """
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is None:
        return
    for earlier in [t for t in shell.ast_transformers if isinstance(t, Guard)]:
        shell.ast_transformers.remove(earlier)
    guard = Guard(study, shell.user_ns)
    shell.push({GUARD: guard}, interactive=False)
    pd.set_option("display.max_colwidth", None)
    shell.ast_transformers.append(guard)


class Guard(ast.NodeTransformer):
    """Runs each cell as one ``with`` block, so that a refusal in it can be printed.

    Parameters
    ----------
    variables : dict
        Of the notebook.
    """

    def __init__(self, study: Study, variables: dict) -> None:
        self._study, self._variables = study, variables
        self._absent: dict[str, str] = {}  # name -> why it was not assigned
        self._run: list[ast.stmt] = []
        self._rest: list[ast.stmt] = []

    def visit_Module(self, cell: ast.Module) -> ast.Module:
        """Return the cell up to the first statement that reads what is absent, guarded."""
        statements = list(cell.body)
        stop = self._first_blocked(statements)
        self._run, self._rest = statements[:stop], statements[stop:]
        block = ast.parse(f"with {GUARD}:\n pass").body[0]
        block.body += self._run
        if not self._rest and self._run and isinstance(self._run[-1], ast.Expr):
            block.body[-1] = _displayed(self._run[-1])
        cell.body = [block]
        return ast.fix_missing_locations(cell)

    def _first_blocked(self, statements: list[ast.stmt]) -> int:
        assigned: set[str] = set()
        for number, statement in enumerate(statements):
            if (needs(statement) - assigned) & self._absent.keys():
                return number
            assigned |= assigns(statement)
        return len(statements)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, refusal, trace) -> bool:
        if kind is None:
            self._keep(self._run)
            if self._rest:
                needed = sorted(needs(self._rest[0]) & self._absent.keys())
                print(f"Left out: it needs {', '.join(needed)}, which was left out above.")
                self._leave_out(self._rest, self._absent[needed[0]])
            return False
        if not issubclass(kind, REFUSALS):
            return False
        done = [s for s in self._run if s.end_lineno < trace.tb_lineno]
        self._keep(done)
        print(f"Left out: {refusal}")
        self._leave_out([*self._run, *self._rest][len(done) :], str(refusal))
        return True

    def _keep(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            for name in assigns(statement):
                self._absent.pop(name, None)

    def _leave_out(self, statements: list[ast.stmt], reason: str) -> None:
        for statement in statements:
            for name in assigns(statement):
                self._absent[name] = reason
                self._variables.pop(name, None)  # an earlier run's value is not this study's
            for artefact in written(statement):
                self._study.note_left_out(artefact, reason)


def _displayed(statement: ast.Expr) -> ast.Expr:
    """Return the last expression of a cell in a form that displays its value inside a block."""
    shown = ast.parse("__import__('sys').displayhook(None)").body[0]
    shown.value.args = [statement.value]
    return ast.copy_location(shown, statement)


class _Generators(ast.NodeTransformer):
    """Makes every comprehension a generator: from Python 3.12 on, only these have a scope."""

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        return self.generic_visit(ast.GeneratorExp(node.elt, node.generators))

    visit_SetComp = visit_ListComp

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        pair = ast.Tuple([node.key, node.value], ast.Load())
        return self.generic_visit(ast.GeneratorExp(pair, node.generators))


def _names(statement: ast.stmt) -> symtable.SymbolTable:
    changed = _Generators().visit(ast.parse(ast.unparse(statement)))
    return symtable.symtable(ast.unparse(changed), "cell", "exec")


def reads(statement: ast.stmt) -> set[str]:
    """Return the notebook's names that a statement reads, functions and comprehensions included."""
    table = _names(statement)
    names = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    below = list(table.get_children())
    while below:
        scope = below.pop()
        below += scope.get_children()
        names |= {s.get_name() for s in scope.get_symbols() if s.is_global() and s.is_referenced()}
    return names


def needs(statement: ast.stmt) -> set[str]:
    """Return the names that a statement reads and that its own lines have not assigned before.

    A cell with a loop can so be run again after it was refused and repaired.
    """
    blocks = [getattr(statement, name, []) for name in ("body", "orelse")]
    if not isinstance(statement, ast.For | ast.While | ast.If | ast.With):
        return reads(statement)
    header = copy.copy(statement)
    header.body, header.orelse = [ast.Pass()], []
    needed = reads(header)
    for block in blocks:
        assigned = assigns(header)
        for line in block:
            needed |= needs(line) - assigned
            assigned |= assigns(line)
    return needed


def assigns(statement: ast.stmt) -> set[str]:
    """Return the notebook's names that a statement assigns, imports or changes a part of."""
    table = _names(statement)
    names = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    for node in ast.walk(statement):
        stored = isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store)
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if called and node.func.attr in CHANGES_IN_PLACE:
            node, stored = node.func, True
        if stored:
            while isinstance(node, ast.Subscript | ast.Attribute):
                node = node.value
            names |= {node.id} if isinstance(node, ast.Name) else set()
    return names


def written(statement: ast.stmt) -> set[str]:
    """Return the names of the artefacts that a statement writes."""
    calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call))
    writers = [call for call in calls if _name(call.func).startswith(WRITERS)]
    texts = {
        node.value
        for call in writers
        for node in ast.walk(call)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return texts & ARTEFACTS.keys()


def _name(function: ast.expr) -> str:
    return getattr(function, "attr", "") or getattr(function, "id", "")
