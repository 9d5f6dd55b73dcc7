"""What the documents promise is there, what is there is documented, and nothing of this machine is in any file."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import dropwhile, groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

import proxy
from bench.report import fill, from_json
from proxy.config.document import SECTIONS
from proxy.policy.clauses import KINDS
from proxy.simulator.faults import FAULTS
from tests.cli.running import run
from tests.source import MODULES, ROOT, none_of, plain_strings, project_files

TEST_COMMAND = ".venv/bin/pytest"
README = ROOT / "README.md"
FOLDERS = ("bench", "dashboards", "deploy")
DOCUMENTS = tuple(
    sorted(
        [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(f for one in FOLDERS for f in (ROOT / one).glob("*.md"))]
    )
)
BENCHMARKS = ROOT / "docs/benchmarks.md"
FIGURES = ROOT / "bench/figures.json"


class Block(NamedTuple):
    language: str
    text: str


def blocks(file: Path) -> list[Block]:
    """The fenced blocks of a document."""
    found = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", file.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [Block(*one) for one in found]


def commands(file: Path) -> Iterator[list[str]]:
    """Every command in the shell blocks of a document as words, without comments, prompts and assignments before it."""
    for block in blocks(file):
        if block.language in {"sh", "bash", "shell", "console"}:
            text = re.sub(r"(^|\s)#[^\n]*|\\\n|^\$ ", r"\1", block.text, flags=re.MULTILINE)
            lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&\n")
            lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
            for ends, words in groupby(lexer, key=lambda word: not word.strip("();<>|&\n")):
                if not ends:
                    program = list(dropwhile(lambda word: re.match(r"[A-Z_]+=", word), words))
                    if program:
                        yield program


# The two commands


def test_readme_installs_and_tests_with_its_first_two_blocks() -> None:
    shell = [block.text.strip().splitlines() for block in blocks(README) if block.language in {"sh", "bash"}]
    assert len(shell) >= 2, "the first block runs the demo, the second the tests"
    assert any(line.endswith("paramwall demo") for line in shell[0])
    assert shell[1][-1] == TEST_COMMAND


def test_ci_runs_the_readmes_test_command_and_contributing_names_every_gate() -> None:
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert TEST_COMMAND in lines
    gates = [line for line in lines if re.match(r"\.venv/bin/(ruff|mypy|lint-imports|pytest)", line)]
    assert len(gates) == 5
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    none_of((gate for gate in gates if f"`{gate}`" not in contributing), "not in CONTRIBUTING.md")


GROUPS = {"policy"}
"""Commands whose first word is followed by another command."""


@cache
def accepted_words(*command: str) -> str:
    """What a command says of itself; "" when there is no such command."""
    ran = run(*command, "--help", environ={"COLUMNS": "400", "NO_COLOR": "1", "TERM": "dumb"})
    return ran.out if ran.code == 0 else ""


def our_commands() -> Iterator[tuple[str, list[str]]]:
    """File and what follows `paramwall`, wherever that is the program run, by itself or by uvx."""
    for file in DOCUMENTS:
        for words in commands(file):
            names = [Path(word).name for word in words]
            if words[-1] != "paramwall" and (names[0] == "paramwall" or (names[0] == "uvx" and "paramwall" in names)):
                yield str(file.relative_to(ROOT)), words[names.index("paramwall") + 1 :]


def test_every_command_and_flag_in_the_documents_exists() -> None:
    seen = list(our_commands())
    assert {"serve", "demo"} <= {words[0] for _, words in seen}
    wrong = []
    for file, words in seen:
        accepted = accepted_words(*words[: 2 if words[0] in GROUPS else 1])
        flags = [word.partition("=")[0] for word in words if word.startswith("--")]
        if not accepted or any(not re.search(rf"(?<![\w-]){flag}(?![\w-])", accepted) for flag in flags):
            wrong.append(f"{file}: paramwall {' '.join(words)}")
    none_of(wrong, "no such command or flag")


# Links


def anchors(file: Path) -> set[str]:
    """Headings as links name them: lower case, punctuation dropped, spaces as hyphens."""
    prose = re.sub(r"^```.*?^```", "", file.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.+)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def broken_links(file: Path) -> Iterator[str]:
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", file.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        aim = (file.parent / path).resolve() if path else file
        if not aim.exists() or (anchor and aim.suffix == ".md" and anchor not in anchors(aim)):
            yield f"{file.relative_to(ROOT)}: {target}"


def test_every_relative_link_resolves() -> None:
    none_of((link for file in DOCUMENTS for link in broken_links(file)), "link to nowhere")


# Nothing undocumented


@cache
def documented() -> str:
    return "\n".join(file.read_text() for file in DOCUMENTS)


def all_documented(names: Iterable[str], text: str) -> None:
    """Each name stands somewhere as code, alone or with labels or a value behind it."""
    wanted = sorted(set(names))
    assert wanted
    none_of((name for name in wanted if not re.search(rf"`{re.escape(name)}(?![\w-])[^`]*`", text)), "undocumented")


def shipped(pattern: str) -> list[dict[str, Any]]:
    return [yaml.safe_load(file.read_text()) for file in sorted((ROOT / "policies").glob(pattern))]


def test_every_clause_is_documented() -> None:
    all_documented((clause["id"] for policy in shipped("*.yaml") for clause in policy["clauses"]), documented())


def test_every_clause_kind_is_documented() -> None:
    all_documented(KINDS, documented())


def test_every_policy_and_vendor_profile_is_documented() -> None:
    all_documented((policy["name"] for policy in shipped("*.yaml")), documented())
    all_documented((profile["name"] for profile in shipped("vendors/*.yaml")), documented())


def test_every_fault_is_documented() -> None:
    all_documented((fault.name for fault in FAULTS), documented())


def test_every_metric_is_documented() -> None:
    names = {
        str(text.value)
        for module in MODULES
        if module.room == "metrics"
        for text in plain_strings(module.tree)
        if re.fullmatch(r"paramwall_[a-z_]*[a-z]", str(text.value))
    }
    # A counter is declared without the `_total` that it is shown with.
    text = documented().replace("_total`", "`").replace("_total{", "{")
    all_documented((name.removesuffix("_total") for name in names), text)


def test_every_setting_is_documented() -> None:
    reference = (ROOT / "docs/configuration.md").read_text()
    for _, section in SECTIONS:
        all_documented(section.model_fields, reference)


# Figures


@pytest.mark.parametrize("file", [README, BENCHMARKS], ids=lambda file: file.name)
def test_benchmark_tables_are_those_that_were_measured(file: Path) -> None:
    text = file.read_text()
    assert "<!-- bench:cpu -->" in text
    assert fill(text, from_json(FIGURES.read_text())) == text, f"hint: python -m bench --from {FIGURES.name} --markdown"


# What must not be in any file

# Written in parts, so that this file does not hold what it looks for.
HOSTS = (
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "npmjs" + ".org",
    "npmjs" + ".com",
    "yarnpkg" + ".com",
    "npm" + "mirror",
    "debian" + ".org",
    "proxy.golang" + ".org",
    "crates" + ".io",
)
PLACES = ("wo" + "rk", "ro" + "ot", "tm" + "p", "home/" + "[a-z]", "Users/" + "[a-z]")
FORBIDDEN = re.compile(
    "|".join(
        [*(re.escape(host) for host in HOSTS), rf"(?<![\w.$}}{{/-])/(?:{'|'.join(PLACES)})\b", "shared" + "/[a-z]"]
    )
)


def test_no_registry_host_and_no_path_of_a_machine_is_in_any_file() -> None:
    found = []
    for file in project_files():
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            if match := FORBIDDEN.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {match[0]}")
    none_of(found, "a host or a place that is nobody else's")


@pytest.mark.parametrize("line", [f"x=/{PLACES[0]}/main", f'open("/{PLACES[2]}/a")', f"see https://{HOSTS[0]}/simple"])
def test_the_search_finds_what_it_is_for(line: str) -> None:
    assert FORBIDDEN.search(line)


def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == proxy.__version__


def test_constraints_are_plain_pins_of_every_dependency() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*( ; .+)?", line)] == []
    pinned = {line.partition("==")[0] for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[^A-Za-z0-9_.-]", one)[0].lower().replace("_", "-") for one in wanted}
    assert names <= pinned
