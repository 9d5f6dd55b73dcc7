"""`paramwall status`: from the log and from a running proxy; replay; acknowledgement."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import orjson
import pytest

from proxy.scorer.book import told
from proxy.store import Store
from proxy.store.log import FILE
from tests.cli.logged import BEGAN_S, PAIRS, SWAP, write_log
from tests.cli.running import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("state")
    write_log(made)
    return made


@contextmanager
def answering(body: bytes, status: int = 200) -> Iterator[str]:
    """A server that gives this answer to anything; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/status" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name there)
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_degraded_vendor_is_a_finding(folder: Path) -> None:
    ran = run("status", "--state-dir", str(folder))
    assert ran.code == 1
    head, honest, engine = ran.out.splitlines()
    assert head.split() == ["vendor", "mode", "state", "since", "signal", "effect", "evidence", "pairs", "answers"]
    assert honest.split()[0] == "honest"
    assert honest.split()[2] != "degraded"
    assert engine.split()[:3] == ["engine", "thinking", "degraded"]
    assert engine.split()[5] == SWAP
    assert engine.split()[-2:] == [str(PAIRS), str(PAIRS // 10 * 8)]
    assert "%" in engine
    assert "10^" in engine
    assert "alarms that last: 1" in ran.err


def test_json_has_what_the_fold_says(folder: Path) -> None:
    ran = run("status", "--state-dir", str(folder), "--json")
    assert (ran.code, ran.err) == (1, "")
    honest, engine = ran.json["drift"]
    assert (engine["key"]["vendor"], engine["state"], engine["leading"]) == ("engine", "degraded", SWAP)
    assert honest["state"] != "degraded"
    (alarm,) = ran.json["alarms"]
    assert (alarm["series"], alarm["recovered_at_s"], alarm["direction"]) == (SWAP, None, 1)
    assert BEGAN_S < alarm["changepoint_s"] < alarm["at_s"]
    assert "replay" not in ran.json


def test_a_log_in_which_all_is_well(tmp_path: Path) -> None:
    write_log(tmp_path, 200)
    ran = run("status", "--state-dir", str(tmp_path))
    assert (ran.code, ran.err) == (0, "")
    assert len(ran.out.splitlines()) == 3


def test_a_running_proxy_says_the_same_as_its_log(tmp_path: Path) -> None:
    book = write_log(tmp_path)
    now_s = BEGAN_S + PAIRS * 60.0
    said = {"version": "0", "drift": [told(view) for view in book.fleet.view(now_s)], "alarms": book.alarms}
    with answering(orjson.dumps(said, default=str)) as url:
        ran = run("status", "--admin", url, "--json")
        table = run("status", "--admin", f"{url}/")
    assert ran.code == table.code == 1
    assert ran.json["drift"] == orjson.loads(orjson.dumps(said["drift"]))
    assert ran.json["source"] == url
    assert table.out.splitlines()[2].split()[:3] == ["engine", "thinking", "degraded"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"not found", 404, "does not answer as a running proxy does"),
        (b"<html>", 200, "does not answer as a running proxy does"),
        (b"{}", 200, "says nothing about drift"),
        (b"[]", 200, "says nothing about drift"),
        (b'{"drift":[{"key":1}],"alarms":[]}', 200, "does not answer as a running proxy does"),
    ],
)
def test_something_else_on_that_port(body: bytes, status: int, said: str) -> None:
    with answering(body, status) as url:
        ran = run("status", "--admin", url)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "--state-dir DIR" in ran.err


def test_nobody_on_that_port() -> None:
    with answering(b"") as url:
        pass
    ran = run("status", "--admin", url)
    assert (ran.code, ran.out) == (2, "")
    assert "hint: give its --admin URL" in ran.err


def test_nothing_checked_yet_is_fine(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    for ran in (run("status", "--state-dir", str(tmp_path)), run("status", "--state-dir", str(tmp_path), "--replay")):
        assert ran.code == 0
        assert "nothing was checked yet" in ran.out
        assert "hint: " in ran.err
    with answering(b'{"drift":[],"alarms":[],"mirror":null}') as url:
        ran = run("status", "--admin", url)
        as_json = run("status", "--admin", url, "--json")
    assert (ran.code, ran.out) == (0, f"nothing was checked yet ({url})\n")
    assert as_json.json == {"source": url, "drift": [], "alarms": []}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--replay"], "add the proxy's --state-dir"),
        (["--acknowledge", "engine"], "add the proxy's --state-dir"),
        (["--signal", SWAP], "add --acknowledge VENDOR"),
        (["--note", "x"], "add --acknowledge VENDOR"),
        (["--admin", "http://x", "--state-dir", "/x"], "leave one of them out"),
        (["--state-dir", "/nowhere/at/all"], "/nowhere/at/all/paramwall.db does not exist"),
    ],
)
def test_what_cannot_be_done_is_said(flags: list[str], said: str) -> None:
    ran = run("status", *flags)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


# Replay


def spoil(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / FILE) as connection:
        connection.execute(statement)
    connection.close()


def test_a_replay_that_gives_the_same(folder: Path) -> None:
    ran = run("status", "--state-dir", str(folder), "--replay")
    assert ran.code == 1  # a vendor is degraded
    assert ran.out.startswith("replay: the same state, bit for bit\nvendor")
    as_json = run("status", "--state-dir", str(folder), "--replay", "--json")
    assert as_json.json["replay"] == {"same": True, "differences": []}


def test_a_replay_from_an_anchor(tmp_path: Path) -> None:
    write_log(tmp_path, 200)
    with Store.open(tmp_path) as store:
        assert store.retain(1e12, 1.0, 10**9) == 200
    ran = run("status", "--state-dir", str(tmp_path), "--replay")
    assert ran.code == 0
    assert ran.out.startswith("replay: the same state")


def test_a_row_that_is_missing_is_found(tmp_path: Path) -> None:
    write_log(tmp_path, 200)
    spoil(tmp_path, "DELETE FROM rows WHERE id = 120")
    ran = run("status", "--state-dir", str(tmp_path), "--replay")
    assert ran.code == 1
    assert ran.out.startswith("replay: another state, in ")
    assert "  fleet.keys[1].counts[0]: the log says 95, its rows 94\n" in ran.out


def test_a_state_that_was_changed_is_found(tmp_path: Path) -> None:
    book = write_log(tmp_path, 200)
    state = msgspec.msgpack.encode({**book.state(), "last_number": 7}).hex()
    spoil(tmp_path, f"UPDATE checkpoint SET state = x'{state}'")
    ran = run("status", "--state-dir", str(tmp_path), "--replay", "--json")
    assert ran.code == 1
    assert ran.json["replay"] == {
        "same": False,
        "differences": [f"last_number: the log says 7, its rows {book.last_number}"],
    }


def test_a_state_of_another_version(tmp_path: Path) -> None:
    write_log(tmp_path, 200)
    spoil(tmp_path, f"UPDATE checkpoint SET state = x'{msgspec.msgpack.encode({'version': 99}).hex()}'")
    ran = run("status", "--state-dir", str(tmp_path))
    assert (ran.code, ran.out) == (2, "")
    assert "of version 99" in ran.err
    assert "hint: use the paramwall that writes this log" in ran.err


# Acknowledgement


def test_an_acknowledgement_reaches_the_scorer(tmp_path: Path) -> None:
    write_log(tmp_path)
    with Store.open(tmp_path) as store:
        ran = run(
            *("status", "--state-dir", str(tmp_path), "--acknowledge", "engine"), "--signal", SWAP, "--note", "known"
        )
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.endswith(f"for {SWAP}; the running scorer takes it within seconds\n")
        (asked,) = store.acknowledgements()
    assert (asked.vendor, asked.signal, asked.note) == ("engine", SWAP, "known")
    ran = run("status", "--state-dir", str(tmp_path), "--acknowledge", "honest")
    assert ran.out.endswith("for every signal; taken at the next start\n")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--acknowledge", "engin"], "hint: did you mean engine?"),
        (["--acknowledge", "xyz"], "hint: write one of engine, honest"),
        (["--acknowledge", "engine", "--signal", "empty-answer-pai"], f"hint: did you mean {SWAP}?"),
    ],
)
def test_an_acknowledgement_of_nothing_known(flags: list[str], said: str, folder: Path) -> None:
    ran = run("status", "--state-dir", str(folder), *flags)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    with Store.read(folder) as store:
        assert store.acknowledgements() == []
