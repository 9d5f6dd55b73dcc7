"""What the supervisor tells the operator on stderr, one line each.

Not here: the workers' request log. Invariant: a note never makes the supervisor wait (see wire/lines.py) and never
spans lines, whatever it quotes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import orjson


class Notes:
    """Writes notes as `paramwall: TEXT`, or as JSON objects with the event `supervisor`, a level and a message."""

    def __init__(self, put: Callable[[bytes], None], clock: Callable[[], float], *, as_json: bool) -> None:
        self._put = put
        self._clock = clock
        self.as_json = as_json

    def say(self, text: str) -> None:
        """Something that is as it should be."""
        self._note("info", text)

    def warn(self, text: str) -> None:
        """Something to look at; service goes on."""
        self._note("warning", text)

    def fail(self, text: str) -> None:
        """Something that was asked for did not happen."""
        self._note("error", text)

    def _note(self, level: str, text: str) -> None:
        line = "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
        if self.as_json:
            time = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._put(orjson.dumps({"time": time, "event": "supervisor", "level": level, "message": line}))
            return
        prefix = "" if level == "info" else f"{level}: "
        self._put(f"paramwall: {prefix}{line}".encode())
