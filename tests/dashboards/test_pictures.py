"""The pictures of the dashboards: what they are drawn with is pinned, and each dashboard is drawn to its end.

Not here: whether they are beautiful. The Prometheus behind the pictures is played here and answers every query alike.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest

from dashboards.pictures.browser import chromium
from dashboards.pictures.site import CannotDraw, library_version
from tests.dashboards.expressions import dashboards
from tests.source import ROOT

FOLDER = ROOT / "dashboards/pictures"
SERIES = [
    {"job": "paramwall", "instance": "a:9090", "vendor": vendor, "mode": "thinking", "signal": "tool-trigger", "le": le}
    for vendor, le in (("moonshot", "0.1"), ("other", "+Inf"))
]


def answer(path: str) -> object:
    """What the played Prometheus says."""
    url = urlsplit(path)
    if url.path.endswith("/targets"):
        return {"status": "success", "data": {"activeTargets": [{"scrapeInterval": "1m15s"}]}}
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    if "paramwall_overhead" in asked["query"] and "refuse" in url.path:
        return {"status": "error", "error": "no such thing"}
    if url.path.endswith("/query"):
        return {
            "status": "success",
            "data": {"result": [{"metric": one, "value": [int(asked["time"]), "1"]} for one in SERIES]},
        }
    times = range(int(asked["start"]), int(asked["end"]) + 1, int(asked["step"]))
    values = [[at, str(at % 7)] for at in times]
    return {"status": "success", "data": {"result": [{"metric": one, "values": values} for one in SERIES]}}


@contextmanager
def played_prometheus() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def draw(url: str, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dashboards.pictures", url, "--out", str(out), *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=550, check=False)


@pytest.fixture(name="tools")
def tools_fixture() -> None:
    """What drawing needs. Nothing is downloaded for a test."""
    try:
        chromium()
        library_version()
        if shutil.which("node") is None:
            raise CannotDraw("node is not on the PATH; install Debian's package nodejs")
    except CannotDraw as missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(missing))


def test_what_draws_is_pinned_and_names_no_address() -> None:
    asked = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    loose = [f"{name} {version}" for name, version in asked.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)]
    assert loose == []
    text = (FOLDER / "package-lock.json").read_text()
    assert "http" not in text
    locked = json.loads(text)["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in asked} == asked
    assert [name for name, one in locked.items() if name and "integrity" not in one] == []


def test_a_missing_prometheus_is_said(tmp_path: Path) -> None:
    done = draw("http://127.0.0.1:1", tmp_path)
    assert done.returncode == 2
    assert "no Prometheus answers at http://127.0.0.1:1" in done.stderr


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("tools")
def test_every_dashboard_is_drawn(tmp_path: Path) -> None:
    with played_prometheus() as url:
        done = draw(url, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no data" not in done.stdout
    for name, board in dashboards().items():
        picture = (tmp_path / f"{name}.png").read_bytes()
        width, height = struct.unpack(">II", picture[16:24])
        last = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
        assert (width, height > 38 * last) == (1600, True)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("tools")
def test_a_panel_that_fails_is_named(tmp_path: Path) -> None:
    with played_prometheus() as url:
        done = draw(f"{url}/refuse", tmp_path, "--only", "internals")
    assert done.returncode == 1
    assert "not drawn: Overhead p99: Error: no such thing" in done.stderr
    assert (tmp_path / "internals.png").exists()
