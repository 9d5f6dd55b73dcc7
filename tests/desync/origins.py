"""The origins: which there are, how each is started, and how to get one that is missing.

Not here: what is sent to them (play.py). nginx, Apache, HAProxy and lighttpd run no code of ours: each stands before a
Node origin, so that two parsers in a row must agree, and what counts is what the second one understood. Invariant:
everything is on loopback, its files in one temporary folder, and what was started is ended.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.processes import Program, free_port

HERE: Final = Path(__file__).parent
SERVERS: Final = Path(tempfile.gettempdir()) / "paramwall-desync"
"""The virtual environment of origins in Python, made by tests.desync.setup."""
_START_S: Final = 30.0

_NGINX: Final = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000; keepalive_timeout 60s;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream behind {{ server 127.0.0.1:{behind}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""
_APACHE: Final = """
ServerName proxy.test
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/apache.err
LogLevel crit
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
StartServers 1
ServerLimit 2
ThreadsPerChild 64
MaxRequestWorkers 128
ProxyPass / http://127.0.0.1:{behind}/
"""
_HAPROXY: Final = """
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:{port}
  default_backend behind
backend behind
  http-reuse always
  server one 127.0.0.1:{behind}
"""
_LIGHTTPD: Final = """
server.document-root = "{folder}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{folder}/lighttpd.err"
server.modules = ("mod_proxy")
server.max-keep-alive-requests = 1000000
server.max-keep-alive-idle = 60
proxy.server = ("" => (("host" => "127.0.0.1", "port" => {behind})))
"""


@dataclass(frozen=True, slots=True)
class Front:
    """A server that passes requests on. `command` has the place of its configuration as `{{file}}`."""

    program: str
    config: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """One origin. `package` is what to install: of Debian for a front, of PyPI for one in Python."""

    name: str
    package: str
    module: str = ""
    front: Front | None = None

    @property
    def advice(self) -> str:
        """How to get it."""
        if self.front is not None or self.name == "node":
            return f"apt-get install --no-install-recommends {self.package}"
        return "python -m tests.desync.setup"


ORIGINS: Final = (
    Origin("nginx", "nginx-light", front=Front("nginx", _NGINX, ("-c", "{file}", "-p", "{folder}"))),
    Origin("apache", "apache2", front=Front("apache2", _APACHE, ("-X", "-f", "{file}"))),
    Origin("haproxy", "haproxy", front=Front("haproxy", _HAPROXY, ("-db", "-f", "{file}"))),
    Origin("lighttpd", "lighttpd", front=Front("lighttpd", _LIGHTTPD, ("-D", "-f", "{file}"))),
    Origin("node", "nodejs"),
    Origin("uvicorn_h11", "uvicorn h11", "uvicorn"),
    Origin("uvicorn_httptools", "uvicorn httptools", "uvicorn"),
    Origin("gunicorn", "gunicorn", "gunicorn"),
    Origin("waitress", "waitress", "waitress"),
    Origin("hypercorn", "hypercorn", "hypercorn"),
    Origin("daphne", "daphne", "daphne"),
    Origin("cheroot", "cheroot", "cheroot"),
    Origin("tornado", "tornado", "tornado"),
    Origin("twisted", "twisted", "twisted"),
    Origin("werkzeug", "werkzeug", "werkzeug"),
    Origin("aiohttp", "aiohttp", "aiohttp"),
    Origin("stdlib", "", "http.server"),
)
DEBIAN: Final = tuple(one.package for one in ORIGINS if one.front is not None or one.name == "node")
PYPI: Final = tuple(word for one in ORIGINS if one.module and one.package for word in one.package.split())


@dataclass(slots=True)
class Running:
    """An origin that listens. Each line of `seen` is one request it understood."""

    name: str
    port: int
    seen: Path


def interpreter() -> str:
    """The Python that has the servers: the environment that setup made, else this one."""
    made = SERVERS / "bin" / "python"
    return str(made) if made.exists() else sys.executable


def missing(origins: Iterable[Origin]) -> list[Origin]:
    """Those that this machine does not have."""
    listed = list(origins)
    modules = sorted({one.module.partition(".")[0] for one in listed if one.module} | {"httptools", "h11"})
    look = "import importlib.util,sys;print(*(m for m in sys.argv[1:] if importlib.util.find_spec(m)))"
    asked = subprocess.run([interpreter(), "-c", look, *modules], capture_output=True, text=True, check=True)
    found = set(asked.stdout.split())

    def there(origin: Origin) -> bool:
        if origin.front is not None:
            return _program(origin.front.program) is not None and shutil.which("node") is not None
        if origin.name == "node":
            return shutil.which("node") is not None
        parser = origin.name.partition("_")[2]
        return {origin.module.partition(".")[0], *([parser] if parser else [])} <= found

    return [one for one in listed if not there(one)]


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")


@asynccontextmanager
async def running(origins: Sequence[Origin]) -> AsyncIterator[list[Running]]:
    """Start them all, and end them."""
    with tempfile.TemporaryDirectory(prefix="paramwall-desync-") as name:
        folder = Path(name)
        async with AsyncExitStack() as stack:
            started = [_start(one, folder / one.name, stack.callback) for one in origins]
            await asyncio.gather(*(_listening(one, program) for one, program in started))
            yield [one for one, _ in started]


def _start(origin: Origin, folder: Path, at_end: Callable[[Callable[[], object]], object]) -> tuple[Running, Program]:
    folder.mkdir()
    seen = folder / "seen"
    seen.touch()

    def program(name: str, command: Sequence[str]) -> Program:
        started = Program(name, command, None, folder)
        at_end(started.stop)
        return started

    def node(port: int) -> Program:
        return program("node", ["node", str(HERE / "echo.js"), str(port), str(seen)])

    port = free_port()
    if origin.front is not None:
        behind = free_port()
        node(behind)
        file = folder / "front.conf"
        text = origin.front.config.format(folder=folder, port=port, behind=behind, modules="/usr/lib/apache2/modules")
        file.write_text(text, encoding="utf-8")
        arguments = [one.format(file=file, folder=folder) for one in origin.front.command]
        front = program(origin.name, [_program(origin.front.program) or origin.name, *arguments])
        return Running(origin.name, port, seen), front
    if origin.name == "node":
        return Running(origin.name, port, seen), node(port)
    command = [interpreter(), str(HERE / "echo.py"), origin.name, str(port), str(seen)]
    return Running(origin.name, port, seen), program(origin.name, command)


async def _listening(origin: Running, program: Program) -> None:
    """Until a request is answered with what was seen of it. What that left in the file is taken out."""
    ask = b"GET /v1/models HTTP/1.1\r\nHost: proxy.test\r\nX-Marker: start\r\nConnection: close\r\n\r\n"
    async with asyncio.timeout(_START_S):
        while not origin.seen.stat().st_size:
            if not program.running():
                raise RuntimeError(f"{origin.name} ended: {program.said()}")
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", origin.port)
                writer.write(ask)
                await reader.read()
                writer.close()
            except OSError:
                pass
            await asyncio.sleep(0.05)
    origin.seen.write_bytes(b"")
