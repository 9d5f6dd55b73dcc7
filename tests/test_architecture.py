"""The shape of the house: floors, sizes, names, and who alone may do what. CONTRIBUTING.md says the same in words."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator

from tests.source import MODULES, ROOT, Module, none_of, plain_strings

MOST_MODULE_LINES = 350
MOST_FUNCTION_LINES = 60
MEDIAN_FUNCTION_LINES = 12
P90_FUNCTION_LINES = 25

BANNED_WORDS = {"helper", "helpers", "util", "utils", "manager", "common", "base", "misc"}
PURE_ROOMS = ("contract", "policy")
IMPURE = {"asyncio", "aiohttp", "logging", "os", "pathlib", "random", "socket", "time"}
AIOHTTP_HOOKS = {"proxy.wire.aiohttp_hooks", "proxy.wire.aiohttp_chunks"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[Module, Function]]:
    for module in MODULES:
        for node in ast.walk(module.tree):
            if isinstance(node, Function):
                yield module, node


def length(function: Function) -> int:
    """Lines without decorators and docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or 0) - docstring.lineno + 1
    return lines


def imported(module: Module) -> set[str]:
    """Every module that this one names in an import, wherever it stands."""
    names = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_floors() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_modules_are_rooms_not_halls() -> None:
    sizes = {module.path: len(module.text.splitlines()) for module in MODULES}
    too_long = [f"{path}: {lines} lines" for path, lines in sizes.items() if lines > MOST_MODULE_LINES]
    none_of(too_long, f"more than {MOST_MODULE_LINES} lines: would two modules be clearer?")


def sentences(module: Module) -> int:
    return len(re.findall(r"[.!?](?=\s|$)", ast.get_docstring(module.tree) or ""))


def test_modules_say_what_lives_in_them() -> None:
    silent = [module.path for module in MODULES if sentences(module) < 2]
    none_of(silent, "a docstring of two sentences says what lives in a module, what must not, and what it keeps true")


def test_functions_are_short() -> None:
    lengths = sorted(length(function) for _, function in functions())
    too_long = [
        f"{module.path}:{one.lineno} {one.name}" for module, one in functions() if length(one) > MOST_FUNCTION_LINES
    ]
    none_of(too_long, f"more than {MOST_FUNCTION_LINES} lines")
    assert statistics.median(lengths) < MEDIAN_FUNCTION_LINES
    assert lengths[len(lengths) * 9 // 10] <= P90_FUNCTION_LINES


def named(module: Module) -> Iterator[str]:
    yield from module.name.split(".")[1:]
    for node in ast.walk(module.tree):
        if isinstance(node, Function | ast.ClassDef):
            yield node.name


def test_names_say_something() -> None:
    vague = [
        f"{module.path}: {name}"
        for module in MODULES
        for name in named(module)
        # A URL has a base; that is the word for it.
        if BANNED_WORDS & {word.lower() for word in re.findall(r"[A-Z]?[a-z]+", re.sub("base_(url|path)", "", name))}
    ]
    none_of(vague, "the name does not say what it is")


def test_the_two_lowest_floors_are_pure() -> None:
    impure = []
    for module in MODULES:
        if module.room in PURE_ROOMS:
            impure += [f"{module.path}: {name}" for name in imported(module) if name.partition(".")[0] in IMPURE]
            for node in ast.walk(module.tree):
                if isinstance(node, ast.AsyncFunctionDef) or (isinstance(node, ast.Name) and node.id == "open"):
                    impure.append(f"{module.path}:{node.lineno}")
    none_of(impure, "nothing waits here; time, draws and files arrive as arguments")


def test_only_config_reads_the_environment() -> None:
    reading = {"environ", "environb", "getenv", "getenvb"}
    readers = {
        module.name
        for module in MODULES
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Attribute) and node.attr in reading)
        or (isinstance(node, ast.ImportFrom) and reading & {alias.name for alias in node.names})
    }
    none_of((name for name in readers if not name.startswith("proxy.config")), "settings come from the Config")


def test_only_metrics_names_a_metric() -> None:
    spelled = [
        f"{module.path}:{text.lineno} {text.value!r}"
        for module in MODULES
        if module.room != "metrics"
        for text in plain_strings(module.tree)
        if str(text.value).startswith("paramwall_")
    ]
    none_of(spelled, "metrics are named in proxy/metrics alone")


def private_attributes_of_others(tree: ast.Module) -> dict[str, int]:
    """Attributes with one leading underscore that are read here but made nowhere in the module, with a line."""
    made: set[str] = set()
    read: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            made.add(node.attr)
        elif isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr):
            read[node.attr] = node.lineno
    return {name: line for name, line in read.items() if name not in made}


def test_only_the_hooks_name_private_attributes_of_aiohttp() -> None:
    prying = set()
    for module in MODULES:
        names = imported(module)
        if any(name.partition(".")[0] == "aiohttp" for name in names):
            private_imports = [name for name in names if name.startswith("aiohttp.") and "._" in name]
            if private_imports or private_attributes_of_others(module.tree):
                prying.add(module.name)
    assert prying == AIOHTTP_HOOKS


def at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported."""
    for node in body:
        if isinstance(node, Function):
            continue
        yield node
        for inner in ("body", "orelse", "finalbody", "handlers"):
            yield from at_import(getattr(node, inner, []))


def imports_of(module: Module, known: set[str]) -> set[str]:
    """Our modules that have to be whole before this one is: what it imports, and the packages above that. The packages
    above itself began before it and need not be.
    """
    names: set[str] = set()
    for node in at_import(module.tree.body):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            whole = {f"{node.module}.{alias.name}" for alias in node.names} & known
            names |= whole | (set() if len(whole) == len(node.names) else {node.module or ""})
    above = {name.rsplit(".", count)[0] for name in names for count in range(1, name.count(".") + 1)}
    mine = {module.name.rsplit(".", count)[0] for count in range(1, module.name.count(".") + 1)}
    return ((names | (above - mine)) & known) - {module.name}


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """Some modules that import each other in a circle; none where there is no circle."""
    left = dict(graph)
    while free := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in free:
            del left[name]
    return sorted(left)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """So each of them can be imported first."""
    known = {module.name for module in MODULES}
    none_of(cycle_in({module.name: imports_of(module, known) for module in MODULES}), "they are, or use, a circle")
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


def test_all_modules_import_without_a_warning() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import {', '.join(module.name for module in MODULES)}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stdout + done.stderr


def test_the_rules_catch_what_they_forbid() -> None:
    tree = ast.parse(
        "class A:\n    def f(self, request):\n        self._own = 1\n        return request._message, self._own"
    )
    assert private_attributes_of_others(tree) == {"_message": 4}
    bad = Module(
        "proxy.policy.late", "late.py", "", ast.parse("import time\nfrom os import environ\nimport aiohttp.web")
    )
    assert {"time", "os.environ", "aiohttp.web"} <= imported(bad)
