"""The report as one HTML file.

Not here: what is known. Invariant: everything of others is escaped.
"""

from __future__ import annotations

from html import escape

from proxy.report.facts import FORMAT, Report


def html_of(report: Report) -> str:
    """The whole page."""
    return f"<!doctype html>\n<!-- {FORMAT} -->\n<title>{escape(report.title)}</title>\n"
