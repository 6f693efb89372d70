"""Text from headers and tables never becomes markup: what is shown as HTML is escaped."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path
    for place in ("npc_helpers", "tools", "notebooks/py", "docs", "benchmarks")
    for path in (ROOT / place).rglob("*.py")
)
TAG = re.compile(r"<(/?[a-zA-Z][\w-]*)?[\s\0>/=]|<!--")  # \0 stands for what is put in
SAFE_CALLS = {"escape", "len", "round", "int", "float", "to_html"}
FILLS = {"format", "substitute", "safe_substitute"}  # pages of HTML are filled with the latter two
NUMBER = re.compile(r"[\d,.]*[defgn%]")
DECLARED = re.compile(r"(list\[)?Markup\]?")  # parameters, attributes, results that hold markup


def name_of(node):
    """The last part of what is called or read: `html.escape` is escape."""
    return getattr(node, "attr", None) or getattr(node, "id", "")


def unsafe(node, names):
    """Yield what a piece of HTML is made of that is neither fixed, a number, nor escaped."""
    match node:
        case ast.Constant():
            return
        case ast.JoinedStr(values=values):
            first = values[0].value if values and isinstance(values[0], ast.Constant) else ""
            if not str(first).startswith("data:"):
                for value in values:
                    yield from unsafe(value, names)
        case ast.FormattedValue(value=value, format_spec=spec):
            if not (spec and NUMBER.fullmatch(ast.unparse(spec)[2:-1])):
                yield from unsafe(value, names)
        case ast.Call(func=func) if name_of(func) in SAFE_CALLS or names.get(name_of(func)) == []:
            return
        case ast.Name(id=name) if name.isupper():  # a constant of the module
            return
        case ast.Call(func=ast.Attribute(attr="join"), args=[joined]):
            yield from unsafe(joined, names)
        case ast.Call(func=ast.Attribute(attr=how), args=args, keywords=keywords) if how in FILLS:
            for part in (*args, *(keyword.value for keyword in keywords)):
                yield from unsafe(part, names)
        case ast.GeneratorExp(elt=part) | ast.ListComp(elt=part):
            yield from unsafe(part, names)
        case ast.BinOp(left=left, right=right) | ast.IfExp(body=left, orelse=right):
            yield from unsafe(left, names)
            yield from unsafe(right, names)
        case ast.Name() | ast.Attribute() if (name := name_of(node)) in names:
            for value in names[name]:
                yield from unsafe(value, {k: v for k, v in names.items() if k != name})
        case _:
            yield ast.unparse(node)


def markup_in(source):
    """Every place of a program that makes HTML of something, with what is not safe in it."""
    tree, names = ast.parse(source), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            names.setdefault(name_of(node.targets[0]), []).append(node.value)
        elif isinstance(node, ast.FunctionDef) and node.returns:
            if DECLARED.fullmatch(ast.unparse(node.returns)):
                names[node.name] = []  # what it returns is looked at where it is made
        elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            if DECLARED.fullmatch(ast.unparse(node.annotation)):
                names[getattr(node, "arg", "") or name_of(node.target)] = []
    for node in ast.walk(tree):
        made = None
        if isinstance(node, ast.JoinedStr):
            parts = [p.value if isinstance(p, ast.Constant) else "\0" for p in node.values]
            made = node if TAG.search("".join(parts)) and ">" in "".join(parts) else None
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            texts = [s for s in (node.left, node.right) if isinstance(s, ast.Constant)]
            made = node if any(TAG.search(str(text.value)) for text in texts) else None
        elif isinstance(node, ast.Call) and name_of(node.func) == "HTML" and node.args:
            made = node.args[0]
        elif isinstance(node, ast.Call) and name_of(node.func) in FILLS - {"format"}:
            made = node
        elif isinstance(node, ast.Call) and name_of(node.func) == "format":
            text = getattr(node.func, "value", None)
            text = next(iter(names.get(name_of(text), [])), text)
            is_tag = isinstance(text, ast.Constant) and TAG.search(str(text.value))
            made = node if is_tag else None
        if made is not None:
            yield from ((node.lineno, fault) for fault in unsafe(made, names))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_unescaped_becomes_html(path):
    assert list(markup_in(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "ipw.HTML(f'{patient_id}: {n} images')",
        "HTML(patient_id)",
        "HTML('<b>%s</b>' % patient_id)",
        "page = '<b>' + patient_id",
        "page = f'<b>{error}</b>'",
        "page = f'<{tag}>'",
        "page = '<td>{}</td>'.format(patient_id)",
        "text = str(error)\npage = f'<p>{text}</p>'",
        "page = f'<td>{\", \".join(patients)}</td>'",
        "PAGE = '<b>{}</b>'\nPAGE.format(text)",
        "Template(page.read_text()).substitute(title=text)",
        "def add(text: str):\n    page = f'<p>{text}</p>'",
        "page = f'<i title=\"{patient_id}\">'",
    ],
)
def test_the_lint_sees_text_that_becomes_html(source):
    assert list(markup_in(source))


@pytest.mark.parametrize(
    "source",
    [
        "ipw.HTML(escape(f'{patient_id}: {n} images'))",
        "page = f'<b>{html.escape(error)}</b> {share:.1f} {len(patients)}'",
        "text = escape(str(error))\npage = f'<p>{text}</p>'",
        "short = n < 3 or f'{n} > {m}'",
        "dtype = f'<{kind}{size}'",
        "PAGE = '<b>{}</b>'\nPAGE.format(escape(text))",
        "Template(page.read_text()).substitute(title=escape(text))",
        "def add(text: Markup):\n    page = f'<p>{text}</p>'",
    ],
)
def test_the_lint_lets_pass_what_is_escaped(source):
    assert not list(markup_in(source))


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("npc_helpers/widgets/*.js")), ids=lambda p: p.name
)
def test_scripts_set_text_and_no_markup(path):
    source = path.read_text(encoding="utf-8")
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", source
    )
