"""Small faults in Python source: every place where one can be made, and the module compiled with it.

Here: which faults there are, and where none is made (annotations, decorators, defaults of parameters, docstrings,
`__all__`). Not here: whether a test sees them (mutants.py). Invariant: a mutant differs from its module in one
expression or statement, and the same source gives the same mutants in the same order.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any, Final, TypeAlias

_COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
_ORDERING: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_NO_FAULT_HERE: Final = {
    ast.FunctionDef: ("args", "decorator_list", "returns"),
    ast.ClassDef: ("bases", "keywords", "decorator_list"),
    ast.AnnAssign: ("annotation",),
    ast.Lambda: ("args",),
}

Place: TypeAlias = tuple[ast.AST, str, int | None]
"""The node a fault is put into, the field there, and the position where the field is a list."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`where` is the outermost function that holds the fault, "" for what runs when the module is imported."""

    line: int
    where: str
    was: str
    now: str
    code: CodeType

    def __str__(self) -> str:
        return f"line {self.line}, {self.where or 'module'}: {self.was} -> {self.now}"


def mutants(source: str, filename: str) -> Iterator[Mutant]:
    """Every mutant of a module, compiled."""
    tree = ast.parse(source)
    for (parent, field, index), where in _places(tree, ""):
        node = _get(parent, field, index)
        for fault in _faults(node):
            ast.copy_location(fault, node)
            _put(parent, field, index, ast.fix_missing_locations(fault))
            yield Mutant(node.lineno, where, _told(node), _told(fault), compile(tree, filename, "exec"))
            _put(parent, field, index, node)


def _places(node: ast.AST, where: str) -> Iterator[tuple[Place, str]]:
    spared = _NO_FAULT_HERE.get(type(node), ())
    for field, value in ast.iter_fields(node):
        if field in spared or _says_what_is_there(node):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not _is_text(child):
                inside = _inside(child, node, where)
                if isinstance(child, ast.expr | ast.stmt):
                    yield (node, field, index), inside
                yield from _places(child, inside)


def _inside(child: ast.AST, parent: ast.AST, where: str) -> str:
    """The qualified name of the outermost function, or of the class on the way to it (which ends in a dot)."""
    if where and not where.endswith("."):
        return where
    if isinstance(child, ast.FunctionDef):
        return where + child.name
    return f"{where}{child.name}." if isinstance(child, ast.ClassDef) else where


def _is_text(node: ast.AST) -> bool:
    """A docstring, or text that documents the constant above it."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _says_what_is_there(node: ast.AST) -> bool:
    """An alias of types, or the list of a module's names: nothing that runs."""
    if isinstance(node, ast.AnnAssign):
        return ast.unparse(node.annotation) == "TypeAlias"
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def _get(parent: ast.AST, field: str, index: int | None) -> Any:  # noqa: ANN401  (any node)
    return getattr(parent, field) if index is None else getattr(parent, field)[index]


def _put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def _told(node: ast.AST) -> str:
    """The first line of a statement says which one it is."""
    return ast.unparse(node).partition("\n")[0]


def _faults(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.expr):
        yield from _in_expression(node)
    elif isinstance(node, ast.stmt):
        yield from _in_statement(node)
    if isinstance(node, ast.If | ast.IfExp | ast.While) and _can_be_negated(node.test):
        yield _changed(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _ARITHMETIC:
        yield _changed(node, op=_ARITHMETIC[type(node.op)]())


def _in_expression(node: ast.expr) -> Iterator[ast.AST]:
    match node:
        case ast.Constant():
            yield from _other_constants(node.value)
        case ast.Compare():
            for i, op in enumerate(node.ops):
                yield _changed(node, ops=[*node.ops[:i], _COMPARISONS[type(op)](), *node.ops[i + 1 :]])
        case ast.BoolOp():
            yield _changed(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
            for i in range(len(node.values)):
                left = [*node.values[:i], *node.values[i + 1 :]]
                yield _changed(node, values=left) if len(left) > 1 else copy.copy(left[0])
        case ast.UnaryOp():
            yield copy.copy(node.operand)


def _in_statement(node: ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.Return() if node.value is not None and not _is_nothing(node.value):
            yield _changed(node, value=ast.Constant(None))
        case ast.Expr() | ast.Raise() | ast.AugAssign() | ast.Break() | ast.Assert():
            yield ast.Pass()


def _changed(node: Any, **fields: object) -> Any:  # noqa: ANN401  (any node)
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def _other_constants(value: object) -> Iterator[ast.Constant]:
    match value:
        case bool():
            yield ast.Constant(not value)
        case int():
            yield ast.Constant(value + 1)
            if value > 1:
                yield ast.Constant(value - 1)
        case str():
            yield ast.Constant(value + "~")
        case bytes():
            yield ast.Constant(value + b"~")


def _can_be_negated(test: ast.expr) -> bool:
    """Unless that would be the fault that the comparison itself is given."""
    return not isinstance(test, ast.Compare) or len(test.ops) > 1 or isinstance(test.ops[0], _ORDERING)


def _is_nothing(node: ast.expr) -> bool:
    """None, or False: to whoever asks for truth None is as good, and True is its fault."""
    return isinstance(node, ast.Constant) and (node.value is None or node.value is False)
