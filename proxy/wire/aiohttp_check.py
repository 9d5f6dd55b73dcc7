"""The self-test that what is used beneath aiohttp's public surface is still there.

Not here: any use of it (aiohttp_hooks.py, aiohttp_chunks.py). Invariant: a worker does not start when aiohttp changed
under us.
"""

from __future__ import annotations

from typing import Final

import aiohttp
from aiohttp import StreamReader
from aiohttp.http_parser import HttpRequestParser
from aiohttp.web_protocol import RequestHandler

_OF_HANDLER: Final = (
    *("_buffer_paused", "_close", "_drain_helper", "_force_close", "_handler_waiter", "_keepalive"),
    *("_keepalive_handle", "_loop", "_paused"),
    *("_keepalive_timeout", "_lingering_time", "_messages", "_msg_queue_resume_size", "_next_keepalive_close_time"),
    *("_parser", "_process_keepalive", "_request_in_progress", "_resume_reading_if_drained", "_waiter"),
)
_OF_PARSER: Final = ("feed_eof", "message_consumed")
_OF_READER: Final = ("_buffer", "_buffer_offset", "_eof", "_exception", "_http_chunk_splits", "total_bytes")
_REMEDY: Final = "hint: reinstall with `pip install -c constraints.txt -e .`"


def verify() -> None:
    """Raise RuntimeError unless the aiohttp at hand is the one that aiohttp_hooks.py was written for."""
    version = tuple(int(part) for part in aiohttp.__version__.split(".")[:3] if part.isdigit())
    if not (3, 14, 5) <= version < (3, 15):
        raise RuntimeError(f"aiohttp {aiohttp.__version__} is installed; allowed: >=3.14.5,<3.15. {_REMEDY}")
    if HttpRequestParser.__module__ != "aiohttp._http_parser":
        raise RuntimeError(f"aiohttp's C parser is missing (is AIOHTTP_NO_EXTENSIONS set?). {_REMEDY}")
    for owner, names in ((RequestHandler, _OF_HANDLER), (StreamReader, _OF_READER), (HttpRequestParser, _OF_PARSER)):
        missing = [name for name in names if not hasattr(owner, name)]
        if missing:
            raise RuntimeError(f"aiohttp's {owner.__name__} has no {', '.join(missing)}. {_REMEDY}")
