"""Whether the tests of a module see the faults that are put into it: `python -m tests.guards.mutants [MODULE ...]`.

Here: running a module's own tests once for every mutant, and the list of those that survive. Not here: which faults
there are (operators.py), which tests (own.py). Invariants: no file is changed; a fault inside a function is put into a
forked child of one process that has collected the tests, so that it costs only the tests up to the first that fails; a
fault in what runs at import is put before the import, in a child that has imported nothing of the project. Properties
(hypothesis) are left out: what they find is not always the same, and they take minutes, so the score is a lower bound.

A mutant listed in tests/cases/equivalent_mutants.yaml, with the reason why no test can tell it from the module, does
not count. Exit code 1 when less than 95 % of the others are killed.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import inspect
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.metadata import entry_points
from types import CodeType, FunctionType, ModuleType
from typing import Final

import pytest
import yaml
from hypothesis import is_hypothesis_test

from tests.guards.operators import Mutant, mutants
from tests.guards.own import OWN, ROOT

MUTATED: Final = tuple(
    path for path in OWN if path.startswith(("proxy/contract/envelope", "proxy/policy/decide", "proxy/policy/clauses/"))
)
BAR: Final = 0.95
EQUIVALENT: Final = ROOT / "tests" / "cases" / "equivalent_mutants.yaml"
_SURVIVED: Final = 0
_NO_SUCH_FUNCTION: Final = 99  # none of pytest's own
_PYTEST: Final = (
    *("-q", "-x", "-p", "no:xdist", "-p", "no:cacheprovider", "-o", "timeout=0", "--tb=no"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # plugins are imported before pytest starts
)


@dataclass(slots=True)
class Score:
    """What became of one module's mutants."""

    module: str
    killed: int = 0
    equivalent: int = 0
    survivors: list[Mutant] = field(default_factory=list)

    @property
    def share(self) -> float:
        counted = self.killed + len(self.survivors)
        return self.killed / counted if counted else 1.0


class _Loader(SourceFileLoader):
    """Gives the mutant's code instead of the file's."""

    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        return self._code


class _Finder(MetaPathFinder):
    """Finds one module, as a mutant."""

    def __init__(self, path: str, code: CodeType) -> None:
        self._path, self._code = path, code

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != _module(self._path):
            return None
        file = str(ROOT / self._path)
        return importlib.util.spec_from_file_location(name, file, loader=_Loader(name, file, self._code))


class _Examples:
    """Leaves properties out."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if not is_hypothesis_test(getattr(item, "obj", None))]


class _Warm:
    """In place of the loop over tests: that loop once for every mutant, each in a child. The test that killed last is
    asked first.
    """

    def __init__(self, path: str, found: list[Mutant], seconds: int) -> None:
        self._path, self._found, self._seconds = path, found, seconds
        self._living: list[FunctionType] = []
        self.fates: list[bool] = []
        self.sound = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = list(session.items)
        self._living = _living(self._path)
        gc.freeze()  # a child that collects garbage would copy all there is
        self.sound = self._run(session, items, None)
        if self.sound:
            self.fates = [self._run(session, items, mutant) for mutant in self._found]
        return True

    def _run(self, session: pytest.Session, items: list[pytest.Item], mutant: Mutant | None) -> bool:
        """Whether every test passes."""
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            _bounded(self._seconds)
            gc.disable()
            if mutant is not None and not _put_into(self._living, mutant):
                os._exit(_NO_SUCH_FUNCTION)
            try:
                for position, item in enumerate(items):
                    session.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                    if session.testsfailed:
                        os.write(tell, b"%d" % position)
                        os._exit(1)
                os._exit(_SURVIVED)
            finally:
                os._exit(1)  # a fault may break pytest itself
        os.close(tell)
        killer = os.read(told, 16)
        os.close(told)
        if killer:
            items.insert(0, items.pop(int(killer)))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == _NO_SUCH_FUNCTION:
            raise LookupError(f"no function to put it into: {mutant}")
        return status == _SURVIVED


def _bounded(seconds: int) -> None:
    """A mutant that loops or waits is dead; one that eats memory too."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(10 * seconds)


def _living(path: str) -> list[FunctionType]:
    """The functions of a module that is imported, wherever they are kept."""
    file = str(ROOT / path)
    return [each for each in gc.get_objects() if isinstance(each, FunctionType) and each.__code__.co_filename == file]


def _put_into(living: list[FunctionType], mutant: Mutant) -> bool:
    """Give the function that holds the fault its faulty code."""
    new = {(code.co_qualname, code.co_firstlineno): code for code in _functions(mutant.code)}
    patched = False
    for function in living:
        key = (function.__code__.co_qualname, function.__code__.co_firstlineno)
        if key[0] == mutant.where and key in new:
            function.__code__ = new[key]
            patched = True
    return patched


def _is_in_function(mutant: Mutant, whole: CodeType) -> bool:
    """Whether the fault can be put into a function that lives: one that needs other cells (the last `super()` gone)
    cannot take it.
    """
    cells = {(code.co_qualname, code.co_firstlineno): code.co_freevars for code in _functions(whole)}
    changed = {(code.co_qualname, code.co_firstlineno): code.co_freevars for code in _functions(mutant.code)}
    return bool(mutant.where) and not mutant.where.endswith(".") and cells == changed


def _functions(code: CodeType) -> Iterator[CodeType]:
    """The code of the functions of a module and of its classes, not of functions within functions."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner
            if not inner.co_flags & inspect.CO_NEWLOCALS:  # a class
                yield from _functions(inner)


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _cold(path: str, code: CodeType, seconds: int) -> bool:
    """Whether every test passes with this code imported as the module."""
    child = os.fork()
    if child == 0:
        _bounded(seconds)
        sys.meta_path.insert(0, _Finder(path, code))
        os._exit(int(pytest.main([*_PYTEST, *OWN[path]], plugins=[_Examples()])))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == _SURVIVED


def judged(path: str, seconds: int) -> Score:
    """Every mutant of one module, in a process that has imported nothing of the project."""
    equivalent = {(e["where"], e["was"], e["now"]) for e in _listed().get(path, ())}
    score = Score(path)
    counted = []
    file = str(ROOT / path)
    source = (ROOT / path).read_text()
    for mutant in mutants(source, file):
        if (mutant.where, mutant.was, mutant.now) in equivalent:
            score.equivalent += 1
        else:
            counted.append(mutant)
    whole = compile(source, file, "exec")
    at_import = [mutant for mutant in counted if not _is_in_function(mutant, whole)]
    in_function = [mutant for mutant in counted if mutant not in at_import]
    if not _cold(path, whole, seconds):
        raise AssertionError(f"the tests of {path} fail without any fault")
    fates = [(mutant, _cold(path, mutant.code, seconds)) for mutant in at_import]
    warm = _Warm(path, in_function, seconds)
    pytest.main([*_PYTEST, *OWN[path]], plugins=[_Examples(), warm])
    if not warm.sound:
        raise AssertionError(f"the tests of {path} fail without any fault, or could not be collected")
    for mutant, survived in [*fates, *zip(in_function, warm.fates, strict=True)]:
        if survived:
            score.survivors.append(mutant)
        else:
            score.killed += 1
    return score


def _listed() -> dict[str, list[dict[str, str]]]:
    listed: dict[str, list[dict[str, str]]] = yaml.safe_load(EQUIVALENT.read_text()) or {}
    return listed


def _apart(path: str, seconds: int) -> tuple[int, int]:
    """Killed and surviving mutants of one module, printed and counted in a child: the next module starts as fresh."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        began, keep = time.monotonic(), os.dup(1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        score = judged(path, seconds)
        os.dup2(keep, 1)
        os.write(1, _line(score, time.monotonic() - began).encode())
        os.write(tell, b"%d %d" % (score.killed, len(score.survivors)))
        os._exit(0)
    os.close(tell)
    counts = os.read(told, 64).split()
    os.close(told)
    os.waitpid(child, 0)
    if not counts:
        raise AssertionError(f"{path} could not be judged")  # the child has said why
    return int(counts[0]), int(counts[1])


def _line(score: Score, seconds: float) -> str:
    counted = score.killed + len(score.survivors)
    head = f"{score.module}: {score.killed} of {counted} killed ({score.share:.1%}), {score.equivalent} equivalent"
    return "\n".join([f"{head}, {seconds:.0f} s", *(f"  survives: {mutant}" for mutant in score.survivors), ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for every module and one for every survivor."""
    parser = argparse.ArgumentParser(prog="python -m tests.guards.mutants", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("modules", nargs="*", default=MUTATED, metavar="MODULE", help="a path of own.py's table")
    parser.add_argument("--seconds", type=int, default=60, help="processor time that one mutant may take (default 60)")
    asked = parser.parse_args(arguments)
    os.chdir(ROOT)
    for plugin in entry_points(group="pytest11"):
        plugin.load()  # once, instead of in every child
    counts = [_apart(path, asked.seconds) for path in asked.modules]
    killed = sum(count[0] for count in counts)
    counted = killed + sum(count[1] for count in counts)
    sys.stdout.write(f"{killed} of {counted} killed ({killed / max(counted, 1):.1%}); the bar is {BAR:.0%}\n")
    return 0 if killed >= BAR * counted else 1


if __name__ == "__main__":
    sys.exit(main())
