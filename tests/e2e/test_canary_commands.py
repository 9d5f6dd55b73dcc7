"""Keys of vendors and of the reference, and what commands, probes and evidence say, write and keep of them: nothing."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from proxy.scorer.bodies import Bodies
from proxy.verify.state import State
from tests.cli.running import Ran, run
from tests.e2e.canaries import ASKED, CLIENT, HELD_BY_FILE, KEYS, REFERENCE, files_under, traces
from tests.e2e.echoing import echoing
from tests.e2e.serving import chat, serving
from tests.replay.datasets import write_dataset
from tests.shadow.watching import AMPLE
from tests.supervisor.running import until

ENVIRON: Final = {"PARAMWALL_VENDOR_KEY": ASKED, "PARAMWALL_REFERENCE_KEY": REFERENCE, "OTHER_KEY": ASKED}


def found_in(said: Iterable[tuple[str, str]], keys: Iterable[str] = KEYS) -> list[tuple[str, str]]:
    """Where a key was found, and what of it."""
    return [(where, form) for where, text in said for key in keys for form in traces(text, key)]


def told(ran: Ran, name: str) -> list[tuple[str, str]]:
    """What a command printed."""
    assert ran.out + ran.err, name
    return [(f"{name} stdout", ran.out), (f"{name} stderr", ran.err)]


def test_commands_that_ask_vendors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(State, "remove", lambda _: None)  # so that the checkpoint of a whole run is seen as well
    write_dataset(tmp_path / "data.jsonl", 40)
    with echoing() as vendor, echoing() as reference:
        one = ("verify", vendor.url, "--profile", "vllm", "--reference", reference.url, "--attempts", "1")
        files = ("--output", "verify.json", "--junit", "verify.xml", "--state", "state.jsonl")
        said = told(run(*one, *files, environ=ENVIRON), "verify")
        again = ("--api-key-env", "OTHER_KEY", "--state", "state.jsonl", "--json")
        said += told(run(*one, *again, environ=ENVIRON), "verify --json")
        asked = ("replay", "data.jsonl", "--vendor", vendor.url, "--reference", reference.url, "--attempts", "2")
        said += told(run(*asked, "--output", "out", "--reference-twice", environ=ENVIRON), "replay")
        said += told(run(*asked, "--output", "out", "--reference-twice", "--export", "--json", environ=ENVIRON), "json")
    assert set(vendor.credentials) == {f"Bearer {ASKED}"}
    assert set(reference.credentials) == {f"Bearer {REFERENCE}"}
    sources = ("--verify", "verify.json", "--replay", "out")
    said += told(run("report", *sources, "--html", "r.html", "--markdown", "r.md", "--json"), "report")
    written = dict(files_under(tmp_path))
    for name in ("verify.json", "verify.xml", "state.jsonl", "out/replay.db", "out/results.jsonl", "out/summary.json"):
        assert written[name], name
    assert "***" in written["state.jsonl"]
    assert "***" in written["out/results.jsonl"]
    with closing(sqlite3.connect(tmp_path / "out/replay.db")) as database:
        rows = database.execute("SELECT ended FROM calls").fetchall()
    said += [("a call in replay.db", zlib.decompress(row).decode("latin-1")) for (row,) in rows]
    assert any("***" in text for where, text in said if where.startswith("a call"))
    assert written["r.html"]
    assert written["r.md"]
    assert not found_in([*said, *written.items()])


def test_a_vendor_that_refuses_every_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path / "data.jsonl", 3)
    with echoing(refuses=True) as vendor:
        said = told(run("verify", vendor.url, environ=ENVIRON), "verify")
        said += told(run("replay", "data.jsonl", "--vendor", vendor.url, environ=ENVIRON), "replay")
        assert len(vendor.credentials) >= 2
    assert "401" in said[1][1]
    assert not found_in([*said, *files_under(tmp_path)])


@pytest.mark.parametrize("command", [("verify", "http://127.0.0.1:9/v1"), ("simulate",)], ids=["verify", "simulate"])
def test_a_key_where_the_name_of_its_variable_belongs(command: tuple[str, ...]) -> None:
    ran = run(*command, "--api-key-env", ASKED)
    assert ran.code == 2
    assert "not the name of an environment variable" in ran.err
    assert not found_in(told(ran, command[0]))


@pytest.mark.parametrize("odd", [f"{ASKED}\nX-A: b", f"a {ASKED}", f"\x7f{ASKED}", f"ü{ASKED}"])
def test_a_key_that_cannot_be_sent(odd: str) -> None:
    ran = run("verify", "http://127.0.0.1:9/v1", environ={"PARAMWALL_VENDOR_KEY": odd})
    assert ran.code == 2
    assert "PARAMWALL_VENDOR_KEY: the key holds characters that no header may hold" in ran.err
    assert not found_in(told(ran, "verify"))


RAISES: Final = {
    "where it is sent": "proxy.endpoint.endpoint.Endpoint.call = broken",
    "where it is looked for": "proxy.endpoint.striking.struck_from_answer = proxy.endpoint.endpoint.struck_from_answer "
    "= lambda answer, key: 1 / 0",
    "where it is loaded": "proxy.cli.upstreams.replace = lambda vendor, api_key: vendor.nothing(api_key)",
}


@pytest.mark.parametrize("where", RAISES)
def test_a_defect_with_the_key_in_its_scope(where: str, tmp_path: Path) -> None:
    """The traceback that Python prints of it has lines of the program, and no values."""
    code = (
        "import proxy.cli, proxy.cli.upstreams, proxy.endpoint.endpoint, proxy.endpoint.striking\n"
        "def broken(endpoint, body, **_): raise RuntimeError(f'{endpoint.upstream} {endpoint.upstream.api_key:>9}')\n"
        f"{RAISES[where]}\nproxy.cli.main()"
    )
    with echoing() as vendor:
        words = [sys.executable, "-X", "dev", "-c", code, "verify", vendor.url, "--profile", "vllm", "--only", "limits"]
        done = subprocess.run(words, cwd=tmp_path, env=ENVIRON, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" in done.stderr, done.stderr
    assert not found_in([("stdout", done.stdout), ("stderr", done.stderr), *files_under(tmp_path)])


async def test_what_a_proxy_keeps_probes_and_tells(tmp_path: Path) -> None:
    """With a reference, evidence and probes, all of whose answers hold a key."""
    state = tmp_path / "state"
    (tmp_path / "key").write_text(HELD_BY_FILE)
    (tmp_path / "key").chmod(0o600)
    settings: dict[str, Any] = {
        "reference": {"url": "", "api_key_env": "REF_KEY"},
        "mirror": {**AMPLE, "second_answer": "100%"},
        "evidence": {"bodies": "all"},
        "probes": {"every": "1s", "tokens_per_day": 1_000_000},
        "state_dir": str(state),
    }
    with echoing() as vendor, echoing() as reference:
        settings["reference"]["url"] = reference.url
        vendors = [
            {"name": "held", "url": vendor.url, "profile": "vllm", "api_key_env": "HELD_KEY"},
            {"name": "filed", "url": vendor.url, "profile": "vllm", "api_key_file": str(tmp_path / "key")},
        ]
        environment = {"HELD_KEY": ASKED, "REF_KEY": REFERENCE}
        async with serving(tmp_path, vendors, environment, **settings) as supervisor:
            numbers = count()

            async def compared() -> bool:
                """Ask once more: the scorer may not have been there yet for those before."""
                number = next(numbers)
                name = ("held", "filed")[number % 2]
                body = chat(stream=number % 3 == 0, seed=number)
                body["messages"] = [{"role": "user", "content": f"{number}: which key is mine?"}]
                headers = {"Authorization": f"Bearer {CLIENT}"}
                url = f"{supervisor.url}/vendors/{name}/v1/chat/completions"
                async with supervisor.session.post(url, json=body, headers=headers) as answer:
                    refusal = await answer.text() if answer.status >= 400 else ""
                    assert not found_in([("field", str(answer.headers)), ("error", refusal)])
                scored = [
                    await supervisor.metric("paramwall_mirror_total", result="scored", vendor=name)
                    for name in ("held", "filed")
                ]
                return number >= 30 and min(scored) >= 3

            async def probed() -> bool:
                return await supervisor.metric("paramwall_probes_total") >= 3

            await until(compared, "pairs are scored", 60)
            await until(probed, "probes are answered", 60)
            paths = ("/", "/metrics", "/status", "/history", "/evidence?vendor=held", "/evidence?vendor=filed")
            said = [(path, (await supervisor.fetch(path))[1]) for path in paths]
        said.append(("log", "\n".join(supervisor.lines)))
    assert {f"Bearer {ASKED}", f"Bearer {HELD_BY_FILE}"} == set(vendor.credentials)
    assert set(reference.credentials) == {f"Bearer {REFERENCE}"}
    for name in ("held", "filed"):
        signals = json.loads(run("evidence", "--state-dir", str(state), "--vendor", name, "--json").out)
        bundle = ("--bundle", str(tmp_path / f"{name}.zip"))
        said += told(run("evidence", "--state-dir", str(state), "--vendor", name, *bundle), "evidence")
        assert signals
        with zipfile.ZipFile(tmp_path / f"{name}.zip") as opened:
            requests = opened.read("requests.jsonl").decode()
        assert "which key is mine?" in requests
        said.append((f"requests.jsonl of {name}", requests))
    ran = run("policy", "backtest", "kimi-k2.6", "--state-dir", str(state))
    assert ran.code == 0, ran.err
    said += told(ran, "backtest")
    said += told(run("report", "--state-dir", str(state), "--html", str(tmp_path / "report.html"), "--json"), "report")
    with Bodies.read(state) as bodies:
        kept = [(f"body {number}", repr(bodies.find(number=number))) for number in bodies.request_ids("held")]
        kept += [(f"body {number}", repr(bodies.find(number=number))) for number in bodies.request_ids("filed")]
    assert len(kept) >= 5
    assert any("[redacted]" in text for _, text in kept)
    (tmp_path / "key").unlink()
    assert not found_in([*said, *kept, *files_under(tmp_path)])
