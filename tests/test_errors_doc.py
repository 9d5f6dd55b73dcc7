"""docs/errors.md names every error of the proxy's own, with the status it has and a remedy, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import pytest
import yaml

from proxy.policy.decide import MALFORMED_CODES, MODEL_NOT_COVERED
from tests.source import MODULES, ROOT, none_of

DOCUMENT = ROOT / "docs/errors.md"
MAKERS = {
    "wire": {"Problem": 1, "_refuse": 0},
    "contract": {"MalformedBody": 0, "_Ambiguous": 0},
    "policy": {"MalformedBody": 0},
}
"""What makes an error, by room, and which of its arguments is the code."""
GONE = {"client-gone", "client-stalled"}
"""Failures after which there is no client left to tell."""


class Error(NamedTuple):
    status: int
    code: str


class Row(NamedTuple):
    status: int
    code: str
    meaning: str
    remedy: str


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Every call, by the function's own name or, with a dot before it, the method's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield f".{node.func.attr}", node


def constants(node: ast.expr) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


@cache
def failures() -> frozenset[str]:
    """Every reason for which an answer may not come to its end, as the wire names them."""
    found: set[str] = set()
    for module in MODULES:
        if module.room == "wire":
            for name, call in calls(module.tree):
                if name in {".end", ".fail"} and call.args:
                    found.update(constants(call.args[0]))
                elif name == "_refusal":
                    found.update(constants(call.args[1]))
    return frozenset(found)


def errors_of(tree: ast.Module, room: str) -> Iterator[Error]:
    """The errors that a module makes. One whose code is put together must be one of the vendor's failures."""
    makers = MAKERS[room]
    for name, call in calls(tree):
        if name not in makers:
            continue
        code = call.args[makers[name]]
        first = call.args[0]
        status = first.value if isinstance(first, ast.Constant) and isinstance(first.value, int) else 400
        if isinstance(code, ast.Constant):
            yield Error(status, str(code.value))
        elif isinstance(code, ast.JoinedStr):
            assert list(constants(code)) == ["vendor-"], ast.unparse(code)
            of_time = status == 504
            yield from (
                Error(status, f"vendor-{failure}")
                for failure in failures() - GONE
                if failure.endswith("timeout") == of_time
            )
        else:
            # A code that was made elsewhere and is only handed on: by a clause, or by an error of the body.
            assert ast.unparse(code) in {"code", "error.code", "first.clause"}, ast.unparse(call)


@cache
def errors() -> frozenset[Error]:
    read = [module for module in MODULES if module.room in MAKERS]
    return frozenset(error for module in read for error in errors_of(module.tree, module.room))


@cache
def rows() -> tuple[Row, ...]:
    found = re.findall(r"^\| (\d{3}) \| `([a-z0-9-]+)` \| (.+?) \| (.+?) \|$", DOCUMENT.read_text(), re.MULTILINE)
    return tuple(Row(int(status), code, meaning, remedy) for status, code, meaning, remedy in found)


def test_every_error_has_a_row_and_every_row_an_error() -> None:
    written = {Error(row.status, row.code) for row in rows()}
    none_of((f"{status} {code}" for status, code in sorted(errors() - written)), "not in docs/errors.md")
    known = errors() | {Error(400, MODEL_NOT_COVERED)}
    none_of((f"{status} {code}" for status, code in sorted(written - known)), "in docs/errors.md, but never given")


def test_each_row_stands_once_and_says_something() -> None:
    assert len(rows()) == len({(row.status, row.code) for row in rows()})
    none_of((row.code for row in rows() if len(row.meaning) < 10 or len(row.remedy) < 10), "says too little")


def test_the_codes_of_clauses_are_not_mixed_up_with_these() -> None:
    clauses = {
        clause["id"]
        for file in (ROOT / "policies").glob("*.yaml")
        for clause in yaml.safe_load(file.read_text())["clauses"]
    }
    assert clauses
    none_of((error.code for error in errors() if error.code in clauses), "is also the id of a clause")


def test_what_the_policy_calls_malformed_is_among_them() -> None:
    none_of((code for code in MALFORMED_CODES if Error(400, code) not in errors()), "not found by this test")


@pytest.mark.parametrize(
    ("room", "text", "found"),
    [
        ("wire", 'Problem(418, "teapot", "it is one", "")', {Error(418, "teapot")}),
        ("wire", 'Problem(502, f"vendor-{failure}", "")', {Error(502, "vendor-reset"), Error(502, "vendor-truncated")}),
        ("policy", 'raise MalformedBody("body-odd", "seen", "hint")', {Error(400, "body-odd")}),
    ],
)
def test_the_search_finds_what_it_is_for(room: str, text: str, found: set[Error]) -> None:
    assert set(errors_of(ast.parse(text), room)) == found


def test_the_failures_are_those_that_are_known() -> None:
    assert {"reset", "truncated", "connect-timeout", "first-byte-timeout"} | GONE <= failures()
