"""What crosses from a worker to the scorer, and back.

Here: the frames as values, their encoding, and the version of both. Not here: the socket (shadow/outbox.py,
scorer/inbox.py). Invariants: no credential is in a frame; a long member of requests (their tools) crosses once on each
connection and is named by its key from then on; a frame of another version is never guessed at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

VERSION: Final = 2
"""Of the frames below. Both sides say it first."""
LENGTH_BYTES: Final = 4
MAX_FRAME_BYTES: Final = 128 * 1024 * 1024

ASKED_MEMBERS: Final = (
    "model",
    "stream",
    "stream_options",
    "tool_choice",
    "max_tokens",
    "max_completion_tokens",
    "logprobs",
)
"""The small members of a request by which its answer is judged."""
LONG_MEMBERS: Final = ("tools", "response_format")
"""Those that may be long, and are often the same."""
LONGEST_ASKED: Final = 4096
"""Bytes of a small member; a longer one is left out, as if it had not been sent."""


class Timings(msgspec.Struct, frozen=True, array_like=True):
    """Seconds on the monotonic clock, all relative to the first moment the request was known; None: it never came to
    that.
    """

    sent_s: float | None
    first_byte_s: float | None
    first_token_s: float | None
    end_s: float
    worst_gap_s: float


class Exchange(msgspec.Struct, frozen=True, array_like=True):
    """One finished exchange, as the wire hands it over after the client has its last byte.

    `outcome` is a value of metrics.worker.OUTCOMES; `upstream` one of UPSTREAM_OUTCOMES, or "none" when nothing was
    sent to the vendor. `status` is the vendor's, 0 without an answer. `answer` is what was not handed over in parts, so
    that all parts and it are the vendor's body of `answer_bytes` bytes; it is b"" for an error, which may show a key.
    """

    outcome: str
    upstream: str
    status: int
    answer: bytes
    answer_bytes: int
    content_type: str
    content_coding: str
    timings: Timings


class Hello(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The first frame of a worker."""

    version: int
    pid: int


class Content(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A long member, to be named by its key on this connection. Keys are never used again for something else."""

    key: int
    data: bytes


class Admitted(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A request that is to be mirrored, sent before its answer is known. `body` is what left for the vendor."""

    id: str
    vendor: str
    policy: str
    mode: str
    body: bytes


class Part(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A piece of an answer that is still coming."""

    id: str
    data: bytes


class Finished(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """An exchange that is over. `asked` holds raw JSON by member, `contents` keys of Content by member. `whole` False:
    a part of the answer was dropped on its way, so it says nothing about the vendor. `keep` False: its client wants it
    shown to nobody, so it is not kept as evidence either. A key of 0 means that the member was there but did not cross.
    """

    id: str
    vendor: str
    policy: str
    mode: str
    mirrored: bool
    checked: bool
    whole: bool
    keep: bool
    asked: dict[str, bytes]
    contents: dict[str, int]
    exchange: Exchange


class Requests(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Requests that one policy judged, by their facts (proxy/policy/facts.py), which hold no text. `policy` is its
    label; `profile`, `models`, `names` and `vocabulary` say what the facts are to be read by. `unrecorded` are requests
    of which nothing is known: there were too many kinds at once, or no room.
    """

    vendor: str
    policy: str
    enforcement: str
    profile: str
    models: str
    names: tuple[str, ...]
    vocabulary: str
    requests: dict[str, int]
    unrecorded: int


class Rates(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What the scorer wants: the share of conversations to mirror by vendor, and the key of the hash that chooses them
    (the same for all workers, kept over restarts, so a conversation stays in or out).
    """

    version: int
    salt: bytes
    fractions: Mapping[str, float]


Frame: TypeAlias = Hello | Content | Admitted | Part | Finished | Requests
"""From a worker to the scorer."""

_encoder: Final = msgspec.msgpack.Encoder()
_frames: Final[msgspec.msgpack.Decoder[Frame]] = msgspec.msgpack.Decoder(Frame)
_rates: Final = msgspec.msgpack.Decoder(Rates)


def encode(frame: Frame | Rates) -> bytearray:
    """The frame with its length before it, big-endian."""
    text = bytearray(LENGTH_BYTES)
    _encoder.encode_into(frame, text, LENGTH_BYTES)
    text[:LENGTH_BYTES] = (len(text) - LENGTH_BYTES).to_bytes(LENGTH_BYTES, "big")
    return text  # not copied again: an answer may be megabytes


def decode(text: bytes | memoryview) -> Frame:
    """A worker's frame without its length. Raises msgspec.DecodeError or ValidationError."""
    return _frames.decode(text)


def decode_rates(text: bytes) -> Rates:
    """The scorer's frame without its length. Raises as `decode` does."""
    return _rates.decode(text)
