"""An origin in Python: `python echo.py SERVER PORT SEEN` writes each request it understood into the file SEEN, then
answers with the same.

Run by the interpreter that has the server installed, so this imports nothing of the project. Not here: any care about
HTTP; what the server understood is what is written. Invariant: a request is written before its answer is made, one line
each.
"""

# ruff: noqa: PLC0415, ANN401  (each server is imported only where it is the one asked for; its types are not ours)
# mypy: disable-error-code="import-not-found,import-untyped,misc"
from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

SEEN = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
HOST = "127.0.0.1"
SECONDS = 60
"""Idle connections stay: the test ends them."""


def seen(method: str, target: str, marker: str, body: bytes) -> bytes:
    """Write one request down; the answer's body."""
    digest = hashlib.sha256(body).hexdigest()[:16]
    line = json.dumps([method, target, marker, len(body), digest]).encode()
    os.write(SEEN, line + b"\n")
    return line


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """For WSGI servers, which hand over no more of a body than they framed."""
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH") or ""
    if environ.get("wsgi.input_terminated") or "HTTP_TRANSFER_ENCODING" in environ:
        body = stream.read()
    else:
        body = stream.read(int(length)) if length else b""
    made = seen(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_X_MARKER", ""), body)
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(made)))])
    return [made]


async def asgi(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[..., Any]) -> None:
    """For ASGI servers."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
    marker = b",".join(value for name, value in scope["headers"] if name.lower() == b"x-marker").decode("latin-1")
    made = seen(scope["method"], scope["path"], marker, body)
    fields = [(b"content-type", b"application/json"), (b"content-length", str(len(made)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": made})


def uvicorn_h11(port: int) -> None:
    _uvicorn(port, "h11")


def uvicorn_httptools(port: int) -> None:
    _uvicorn(port, "httptools")


def _uvicorn(port: int, parser: str) -> None:
    import uvicorn

    uvicorn.run(
        asgi,
        host=HOST,
        port=port,
        http=parser,
        log_level="error",
        lifespan="off",
        timeout_keep_alive=SECONDS,
        ws="none",
    )


def hypercorn(port: int) -> None:
    import hypercorn.asyncio
    import hypercorn.config

    config = hypercorn.config.Config()
    config.bind = [f"{HOST}:{port}"]
    config.keep_alive_timeout = SECONDS
    config.errorlog = None
    config.loglevel = "CRITICAL"
    asyncio.run(hypercorn.asyncio.serve(asgi, config))  # type: ignore[arg-type,unused-ignore]


def daphne(port: int) -> None:
    from daphne.server import Server

    Server(asgi, endpoints=[f"tcp:port={port}:interface={HOST}"], signal_handlers=False).run()


def gunicorn(port: int) -> None:
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):
        def load_config(self) -> None:
            settings = {"bind": f"{HOST}:{port}", "worker_class": "gthread", "threads": 8, "keepalive": SECONDS}
            for name, value in {**settings, "errorlog": os.devnull, "control_socket_disable": True}.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> Any:
            return wsgi

    Application().run()


def waitress(port: int) -> None:
    import logging

    import waitress as server

    logging.getLogger("waitress").setLevel(logging.CRITICAL)
    server.serve(wsgi, host=HOST, port=port, threads=8, channel_timeout=SECONDS)


def cheroot(port: int) -> None:
    from cheroot.wsgi import Server

    server = Server((HOST, port), wsgi, numthreads=16, timeout=SECONDS)
    server.error_log = lambda *_args, **_kw: None
    server.start()


def werkzeug(port: int) -> None:
    import logging

    from werkzeug.serving import WSGIRequestHandler, run_simple

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    run_simple(HOST, port, wsgi, threaded=True, request_handler=Handler)  # type: ignore[arg-type,unused-ignore]


def tornado(port: int) -> None:
    import logging

    import tornado.httpserver
    import tornado.ioloop

    def answer(request: Any) -> None:
        made = seen(request.method, request.path, request.headers.get("X-Marker", ""), request.body or b"")
        start = tornado.httputil.ResponseStartLine("HTTP/1.1", 200, "OK")
        fields = tornado.httputil.HTTPHeaders({"Content-Length": str(len(made)), "Content-Type": "application/json"})
        request.connection.write_headers(start, fields, made)
        request.connection.finish()

    logging.getLogger("tornado").setLevel(logging.CRITICAL)
    tornado.httpserver.HTTPServer(answer, idle_connection_timeout=SECONDS).listen(port, HOST)
    tornado.ioloop.IOLoop.current().start()


def twisted(port: int) -> None:
    from twisted.internet import reactor
    from twisted.web import http

    class Request(http.Request):
        def process(self) -> None:
            marker = self.getHeader(b"x-marker") or b""
            made = seen(
                self.method.decode(), self.path.decode("latin-1"), marker.decode("latin-1"), self.content.read()
            )
            self.setHeader(b"content-type", b"application/json")
            self.setHeader(b"content-length", str(len(made)).encode())
            self.write(made)
            self.finish()

    class Channel(http.HTTPChannel):
        requestFactory = Request  # noqa: N815  (twisted's name)

    class Factory(http.HTTPFactory):
        def buildProtocol(self, _address: Any) -> Any:  # noqa: N802  (twisted's name)
            channel = Channel()
            channel.timeOut = SECONDS
            channel.factory = self
            return channel

        def log(self, _request: Any) -> None:
            pass

    running: Any = reactor
    running.listenTCP(port, Factory(), backlog=512, interface=HOST)
    running.run()


def aiohttp(port: int) -> None:
    from aiohttp import web

    async def answer(request: web.BaseRequest) -> web.Response:
        body = await request.read()
        made = seen(request.method, request.raw_path.partition("?")[0], request.headers.get("X-Marker", ""), body)
        return web.Response(body=made, content_type="application/json")

    async def serve() -> None:
        runner = web.ServerRunner(web.Server(answer, keepalive_timeout=SECONDS, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, HOST, port).start()
        await asyncio.Event().wait()

    import logging

    logging.disable(logging.CRITICAL)
    asyncio.run(serve())


def stdlib(port: int) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made = seen(self.command, self.path.partition("?")[0], self.headers.get("X-Marker", ""), body)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(made)))
            self.end_headers()
            self.wfile.write(made)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815  (the library's names)

        def log_message(self, *_args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 512

        def handle_error(self, *_args: Any) -> None:
            pass

    Server((HOST, port), Handler).serve_forever()


if __name__ == "__main__":
    sys.path.pop(0)  # this folder: its names are not modules for a server to import
    globals()[sys.argv[1]](int(sys.argv[2]))
