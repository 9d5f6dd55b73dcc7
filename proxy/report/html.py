"""The report as one HTML file.

Not here: its sections (html_board.py, html_past.py, html_signals.py, html_known.py) and charts (charts.py). Invariants:
nothing is loaded and no script runs, which the page itself tells the browser; everything is read without one; whatever
is of others is text (markup.py).
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from importlib import resources
from typing import Final

from proxy.report import wording
from proxy.report.facts import FORMAT, Report
from proxy.report.html_board import boards
from proxy.report.html_known import findings, how, sources, unknown, verifications
from proxy.report.html_parts import tag
from proxy.report.html_past import states
from proxy.report.html_repairs import repairs
from proxy.report.html_signals import signals
from proxy.report.html_speed import speed
from proxy.report.markup import Markup, element, joined

MARK: Final = Markup(f"<!-- {FORMAT} -->")
_SIGN: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%234a7fd4' "
    "d='M1 2h6v3H1zm8 0h6v3H9zM1 6.500h3v3H1zm4 0h6v3H5zm7 0h3v3h-3zM1 11h6v3H1zm8 0h6v3H9z'/%3E%3C/svg%3E"
)


def html_of(report: Report) -> str:
    """The whole page."""
    style = style_text()
    document = element("html", {"lang": "en"}, _head(report, style), _body(report))
    return f"<!doctype html>\n{MARK}\n{document}\n"


def style_text() -> str:
    """The style that stands in the page."""
    return (resources.files("proxy") / "report" / "page" / "report.css").read_text(encoding="utf-8")


def _head(report: Report, style: str) -> Markup:
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    return element(
        "head",
        {},
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("meta", {"name": "robots", "content": "noindex"}),
        element("title", {}, report.title),
        element("link", {"rel": "icon", "href": _SIGN}),
        element("style", {}, Markup(style)),
    )


def _body(report: Report) -> Markup:
    made = f"made {wording.moment(report.made_at_s)} by paramwall {report.version}"
    return element(
        "body",
        {},
        element(
            "header",
            {},
            element("p", {"class": "product"}, "Paramwall"),
            element("h1", {}, report.title),
            element("p", {"class": "quiet"}, made),
            element(
                "ul", {"class": "quiet"}, [element("li", {}, tag(one.id), f" {one.what}") for one in report.sources]
            ),
        ),
        element(
            "main",
            {},
            joined(
                findings(report),
                boards(report),
                states(report),
                repairs(report),
                speed(report),
                verifications(report),
                signals(report),
                unknown(report),
                how(report),
                sources(report),
            ),
        ),
    )
