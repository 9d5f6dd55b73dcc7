"""The line between the supervisor and one of its children: frames on a Unix socket pair and what they say.

Orders go down, words come up, each in its order. An order is pickled, because it carries the frozen Config. That is
safe here, and only here: the socket pair is made by the supervisor for the worker it starts, has no name in the file
system, and the side that unpickles is the child, which already runs whatever its parent tells it. What comes up is
msgpack of the types below and is never unpickled: a child talks to strangers, the supervisor believes it nothing
but numbers and strings. Not here: what either side does about a message.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from proxy import __version__
from proxy.child.snapshot import Layout
from proxy.config.values import Config

_MAX_FRAME: Final = 256 * 1024 * 1024
_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Start:
    """The first order: begin to accept with this configuration. Answered by Ready."""

    config: Config


@dataclass(frozen=True, slots=True)
class Swap:
    """New requests use this configuration; those under way keep theirs. Answered by Swapped."""

    config: Config


@dataclass(frozen=True, slots=True)
class Ask:
    """Answered by a Report."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Stop accepting, finish what is under way, abort what is left after `deadline_s`. Answered by a last Report and
    the end of the process. A second one replaces the first.
    """

    grace_s: float
    deadline_s: float


Order: TypeAlias = Start | Swap | Ask | Drain


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The worker accepts connections."""


class Swapped(msgspec.Struct, frozen=True, tag=True):
    """The worker uses the configuration of the last Swap, unless `error` says why not."""

    error: str = ""


class Report(msgspec.Struct, frozen=True, tag=True):
    """How a child is: requests under way, how late its last timer fired (seconds), the numbers of all its metrics with
    their layout (None: as it was), and what else it has to say (a JSON object, or b"").
    """

    in_flight: int
    loop_lag_s: float
    numbers: tuple[float, ...]
    layout: Layout | None = None
    detail: bytes = b""


Word: TypeAlias = Ready | Swapped | Report

_RELEASE: Final = f"{__version__}\n".encode()
"""Before every order. Its values go by their places, so another release could take one for another."""
_LONGEST_RELEASE: Final = 40


class OtherRelease(RuntimeError):
    """Parent and child are not of one installation: it was replaced beneath a running supervisor."""


_WORDS: Final[msgspec.msgpack.Decoder[Word]] = msgspec.msgpack.Decoder(Word)
_ENCODER: Final = msgspec.msgpack.Encoder()


def encode_order(order: Order) -> bytes:
    """Encoded once, sent to as many workers as there are."""
    return _RELEASE + pickle.dumps(order, protocol=pickle.HIGHEST_PROTOCOL)


def decode_order(frame: bytes) -> Order:
    """Only for what came from the process that started this one (see the head of this module). Raises OtherRelease
    when that runs another release.
    """
    if not frame.startswith(_RELEASE):
        its = frame.partition(b"\n")[0][:_LONGEST_RELEASE].decode("ascii", "replace")
        raise OtherRelease(
            f"this process is of paramwall {__version__}, its supervisor of {its}: restart the supervisor"
        )
    order = pickle.loads(frame[len(_RELEASE) :])  # noqa: S301  (parent to own child; see the head of this module)
    if not isinstance(order, Order):
        raise TypeError(f"a frame of the supervisor held a {type(order).__name__}, which is no order")
    return order


def encode_word(word: Word) -> bytes:
    """What a worker says, as msgpack."""
    return _ENCODER.encode(word)


def decode_word(frame: bytes) -> Word:
    """Raises msgspec.ValidationError on anything but a Word."""
    return _WORDS.decode(frame)


class Channel:
    """One end of the line. A frame is its length as four bytes, big-endian, then its bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, sock: socket.socket) -> Channel:
        """Take over one socket of a connected pair."""
        return cls(*await asyncio.open_unix_connection(sock=sock))

    def send(self, frame: bytes) -> None:
        """Queue one frame; a channel whose other end is gone swallows it."""
        if not self._writer.is_closing():
            self._writer.writelines((len(frame).to_bytes(_LENGTH_BYTES, "big"), frame))

    async def receive(self) -> bytes | None:
        """The next frame; None when the other end is gone."""
        try:
            size = int.from_bytes(await self._reader.readexactly(_LENGTH_BYTES), "big")
            if size > _MAX_FRAME:
                return None
            return await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError):
            return None

    async def flush(self) -> None:
        """Wait until the kernel has everything that was sent, or nobody is there to read it."""
        try:
            self._writer.transport.set_write_buffer_limits(high=0)
            await self._writer.drain()
        except OSError:
            return

    def close(self) -> None:
        """Close this end; the other one reads an end of file."""
        self._writer.close()
