"""What the browser reads, all from one loopback port: the bundled page, the dashboard with its time range, Prometheus.

Not here: the browser. Invariant: it listens on loopback only, and passes on nothing but GET requests to one
Prometheus.
"""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

HERE: Final = Path(__file__).parent
MODULES: Final = HERE / "node_modules"
_PAGE: Final = (
    b'<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="/page.css">'
    b'<body style="margin:0;background:#111217;font-family:Inter,sans-serif;font-size:14px"><div id="root"></div>'
    b'<script src="/page.js"></script>'
)
_ESBUILD: Final = (
    "--bundle",
    "--minify",
    "--jsx=automatic",
    "--platform=browser",
    '--define:process.env.NODE_ENV="production"',
    "--define:global=window",
    "--loader:.woff2=dataurl",
    "--loader:.ttf=dataurl",
    "--loader:.svg=dataurl",
    "--log-level=error",
)


class CannotDraw(Exception):
    """Something that drawing needs is missing or fails; the text names the remedy."""


def library_version() -> str:
    """The version of Grafana's component library."""
    try:
        found: dict[str, str] = json.loads((MODULES / "@grafana/ui/package.json").read_text())
    except FileNotFoundError:
        raise CannotDraw(f"{MODULES} is missing; run: npm ci --ignore-scripts --legacy-peer-deps, in {HERE}") from None
    return found["version"]


def bundle(into: Path) -> None:
    """The page as one script and one style sheet."""
    command = [str(MODULES / ".bin/esbuild"), str(HERE / "page/main.jsx"), f"--outfile={into / 'page.js'}", *_ESBUILD]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotDraw(f"esbuild: {done.stderr.strip()}")


def prometheus(base_url: str, path: str) -> bytes:
    """What Prometheus answers, its errors included."""
    try:
        with urllib.request.urlopen(f"{base_url.rstrip('/')}{path}", timeout=60) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        return error.read()
    except OSError as error:
        raise CannotDraw(f"no Prometheus answers at {base_url}: {error}") from error


@dataclass(slots=True)
class Site:
    """`job` is what is to be drawn; `report` what the page said about it, once `drawn` is set."""

    prometheus_url: str
    files: Path
    job: dict[str, Any] = field(default_factory=dict)
    report: dict[str, list[str]] = field(default_factory=dict)
    drawn: Event = field(default_factory=Event)

    def give(self, job: dict[str, Any]) -> None:
        """Take the next job."""
        self.job, self.report = job, {}
        self.drawn.clear()

    def body(self, path: str) -> tuple[str, bytes]:
        """Content type and body."""
        if path.startswith("/prometheus/"):
            return "application/json", prometheus(self.prometheus_url, path.removeprefix("/prometheus"))
        if path == "/job.json":
            return "application/json", json.dumps(self.job).encode()
        if path in ("/page.js", "/page.css"):
            kind = "text/javascript" if path.endswith("js") else "text/css"
            return kind, (self.files / path[1:]).read_bytes()
        return "text/html", _PAGE


@contextmanager
def served(site: Site) -> Iterator[str]:
    """Its address, while it is served."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = site.body(self.path)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            site.report = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()
            site.drawn.set()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
