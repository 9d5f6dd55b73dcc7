"""What the admin port has for people: the page, its style and modules, and the JSON that only the page asks for.

Not here: what the JSON says (history.py, evidence.py), and what the page makes of it (page/). Invariants: the files are
those of the package, read once at start; no request names a path; whatever the port answers tells a browser to run
nothing but the page's own script, to send nothing anywhere else, and to keep nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from proxy.supervisor.evidence import EvidenceReader, NotShown
from proxy.supervisor.history import History

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""With every answer of the port. The trusted types have Chromium refuse any text that is put in as HTML."""

MODULES: Final = (
    *("page.js", "polling.js", "elements.js", "wording.js"),
    *("charts.js", "vendors.js", "evidence.js", "pair.js"),
)
"""The page loads the first; it imports the others."""
FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    **{f"/{name}": (name, "text/javascript; charset=utf-8") for name in MODULES},
}
PATHS: Final = ("/history", "/evidence")


@dataclass(frozen=True, slots=True)
class Browsing:
    """What the page is told besides `/status`."""

    history: History
    evidence: EvidenceReader

    def add_to(self, app: web.Application) -> None:
        """The page's routes, and the headers of all."""
        for path in FILES:
            app.router.add_get(path, _file(path))
        app.router.add_get("/history", self._history)
        app.router.add_get("/evidence", self._evidence)
        app.on_response_prepare.append(_with_headers)

    async def _history(self, request: web.Request) -> web.Response:
        asked = request.query
        if "vendor" not in asked:
            return _refusal(NotShown(400, "no vendor is named", "ask ?vendor=NAME, with &mode= and &signal="))
        return _json(orjson.dumps(self.history.told(asked["vendor"], asked.get("mode"), asked.get("signal"))))

    async def _evidence(self, request: web.Request) -> web.Response:
        host, site = request.headers.get("Host", ""), request.headers.get("Sec-Fetch-Site", "")
        try:
            return _json(await self.evidence.answer(_single(request.query), host, site))
        except NotShown as refused:
            return _refusal(refused)


def _file(path: str) -> Handler:
    name, content_type = FILES[path]
    body = (resources.files("proxy") / "supervisor" / "page" / name).read_bytes()

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Type": content_type})

    return answer


async def _with_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def _single(query: Mapping[str, str]) -> dict[str, str]:
    """Each name once; of a repeated one the first counts."""
    return {name: query[name] for name in query}


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers={"Content-Type": "application/json"})


def _refusal(refused: NotShown) -> web.Response:
    said: dict[str, Any] = {"error": refused.message, "hint": refused.hint}
    return _json(orjson.dumps(said), refused.status)
