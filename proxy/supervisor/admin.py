"""The admin port: `/metrics`, `/healthz`, `/readyz`, `/status`, and the page; the proxy port has none of them.

Not here: what the answers say (status.py, merge.py), and what is for people (browsing.py). Invariant: nothing here
changes anything, and nothing a request holds reaches a template, a path or a command; of a request for metrics or
status only the Accept header is read.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from proxy.child.snapshot import Snapshot
from proxy.supervisor import browsing, exposition

_OPENMETRICS: Final = "application/openmetrics-text"
PATHS: Final = ("/metrics", "/healthz", "/readyz", "/status")
_NOT_FOUND: Final = f"not found; this port answers GET /, {', '.join(PATHS)}, {' and '.join(browsing.PATHS)}\n"


@dataclass(frozen=True, slots=True)
class Views:
    """What the port shows. `refresh` has new reports of the workers; `not_ready` is the reason, or "" when ready."""

    families: Callable[[], Snapshot]
    refresh: Callable[[], Awaitable[None]]
    not_ready: Callable[[], str]
    status: Callable[[], dict[str, object]]
    browsing: browsing.Browsing


async def serve(sock: socket.socket, views: Views) -> web.AppRunner:
    """Answer on a listening socket until the runner is cleaned up."""
    runner = web.AppRunner(application(views), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, sock).start()
    return runner


def application(views: Views) -> web.Application:
    """All resources; anything else is a 404 that names them."""

    async def metrics(request: web.Request) -> web.Response:
        await views.refresh()
        # Two renderers are all there are; the parameters of the Accept header are left unread.
        if _OPENMETRICS in ",".join(request.headers.getall("Accept", ())):
            return _answer(exposition.openmetrics(views.families()), exposition.OPENMETRICS_TYPE)
        return _answer(exposition.plain(views.families()), exposition.PLAIN_TYPE)

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        reason = views.not_ready()
        return web.Response(text=f"not ready: {reason}\n" if reason else "ready\n", status=503 if reason else 200)

    async def status(_: web.Request) -> web.Response:
        await views.refresh()
        return _answer(orjson.dumps(views.status(), option=orjson.OPT_APPEND_NEWLINE), "application/json")

    async def anything_else(_: web.Request) -> web.Response:
        return web.Response(text=_NOT_FOUND, status=404)

    app = web.Application()
    for path, handler in zip(PATHS, (metrics, healthz, readyz, status), strict=True):
        app.router.add_get(path, handler)
    views.browsing.add_to(app)
    app.router.add_route("*", "/{anything:.*}", anything_else)
    return app


def _answer(body: bytes, content_type: str) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": content_type})
