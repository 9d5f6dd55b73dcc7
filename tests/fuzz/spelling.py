"""JSON as text, spelled in every way that two readers may take differently.

Here: one name, number, string, container or layout at a time, drawn from a Random. Not here: what a request is made of
(requests.py). Invariant: everything is text, nothing is parsed or encoded, so what RFC 8259 forbids can be said too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

Pair = tuple[str, str]
"""A member: its name and its value, both as JSON text."""

FULL_WIDTH: Final = {chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)}
LOOKALIKES: Final = {
    "k": "\u212a",
    "s": "\u017f",
    "K": "\u212a",
    "S": "\u017f",
    "i": "\u0131",
    "a": "\u00aa",
    "o": "\u00ba",
}
"""KELVIN SIGN and LONG S, which fold to k and s; the others fold under NFKC or look alike."""
INVISIBLE: Final = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u180e", "\u202e", "\u2066")
SPACES: Final = (" ", "\t", "\n", "\r", "\u00a0", "\u2028", "\u3000", "\u1680", "\x00", "\x1f", "\x7f", "\x85")

ODD_NUMBERS: Final = (
    *(
        "1.10",
        "1E2",
        "1e+0",
        "1E-0",
        "10e-1",
        "0.1e1",
        "100e-2",
        "1.0e00",
        "1e400",
        "-1e400",
        "1e-400",
        "1e308",
        "1e309",
    ),
    *("-0", "-0.0", "0.30000000000000004", "0.60000000000000001", "0.59999999999999999999", "0.9500000000000000001"),
    *(
        "1.0000000000000000000001",
        "0.99999999999999999999999",
        "18446744073709551616",
        "9007199254740993",
        "1e0",
        "1E0",
    ),
    *("0e400", "0e-999", "0.0e309", "6e-1", "60e-2", "95e-2", "0.095e1", "1.0000000", "0.60", "0.950", "4e-324"),
)
NO_JSON_NUMBERS: Final = (
    *(
        "01",
        "00.6",
        "1.",
        ".6",
        "+1",
        "0x1",
        "1e",
        "1e+",
        "--1",
        "1_0",
        "0b1",
        "1,0",
        "1f",
        "\uff11",
        "\u0661",
        "1\u200b",
    ),
    *(
        "NaN",
        "-NaN",
        "Infinity",
        "-Infinity",
        "inf",
        "nan",
        "None",
        "True",
        "undefined",
        "1 1",
        "1;",
        "1/**/",
        "1//x\n",
    ),
)
NOT_NUMBERS: Final = (
    *('"1.0"', '"0.3"', '"1"', '" 1"', '"NaN"', '""', '"null"', '"0.6"', '"0.95"', "true", "false", "null", "[]", "{}"),
    *("[0.3]", "[1.0]", "[[1]]", '{"value":0.3}', '{"$numberDouble":"0.3"}', "[1.0,0.3]", '{"":1}', '"\\u0031"'),
)


def plain(text: str) -> str:
    """A string as most encoders write it."""
    return json.dumps(text)


def string(draw: Random, text: str) -> str:
    """The same string, some characters escaped."""
    return '"' + "".join(_escaped(draw, character) for character in text) + '"'


def _escaped(draw: Random, character: str) -> str:
    if character == "/" and draw.random() < 0.5:
        return "\\/"
    if ord(character) < 0x20 or character in '"\\' or draw.random() < 0.25:
        units = character.encode("utf-16-be", "surrogatepass")
        pieces = (units[at : at + 2].hex() for at in range(0, len(units), 2))
        return "".join("\\u" + (piece.upper() if draw.random() < 0.5 else piece) for piece in pieces)
    return character


def folded(draw: Random, name: str) -> str:
    """A name that a lax reader takes for `name`, and a strict one does not (or one that only looks like it)."""
    ways: tuple[Callable[[Random, str], str], ...] = (_cased, _widened, _lookalike, _with_invisible, _spaced, _padded)
    return draw.choice(ways)(draw, name)


def _cased(draw: Random, name: str) -> str:
    return draw.choice((name.upper(), name.title(), name.capitalize(), name.swapcase(), name.replace("_", "")))


def _widened(draw: Random, name: str) -> str:
    at = draw.randrange(len(name))
    return draw.choice(("".join(FULL_WIDTH[c] for c in name), name[:at] + FULL_WIDTH[name[at]] + name[at + 1 :]))


def _lookalike(draw: Random, name: str) -> str:
    places = [at for at, character in enumerate(name) if character in LOOKALIKES]
    if not places:
        return name.replace("e", "\u0435", 1)  # a Cyrillic letter: another name for every reader
    at = draw.choice(places)
    return name[:at] + LOOKALIKES[name[at]] + name[at + 1 :]


def _with_invisible(draw: Random, name: str) -> str:
    at = draw.randrange(len(name) + 1)
    return name[:at] + draw.choice(INVISIBLE) + name[at:]


def _spaced(draw: Random, name: str) -> str:
    space = draw.choice(SPACES)
    return draw.choice((name + space, space + name, name[:3] + space + name[3:]))


def _padded(draw: Random, name: str) -> str:
    return name + draw.choice(("\u0301", "\ufe0f", "[]", "\x00", "." + name, "\ud7fb", "-", "\U000e0041"))


def name(draw: Random, known: str) -> str:
    """A member's name as JSON text: mostly plain, else escaped, or a twin."""
    chance = draw.random()
    if chance < 0.80:
        return plain(known)
    if chance < 0.97:
        return string(draw, known)
    twin = folded(draw, known)
    return string(draw, twin) if draw.random() < 0.4 else json.dumps(twin, ensure_ascii=draw.random() < 0.5)


def number(draw: Random, lawful: Sequence[str]) -> str:
    """A value for a member that should be a number: lawful, another number, one spelled oddly, or none at all."""
    chance = draw.random()
    if chance < 0.35:
        return draw.choice(lawful)
    if chance < 0.60:
        return repr(round(draw.uniform(-2.5, 2.5), draw.choice((0, 1, 2, 15))))
    if chance < 0.86:
        return draw.choice(ODD_NUMBERS)
    if chance < 0.89:
        return _long_number(draw, lawful)
    if chance < 0.92:
        return draw.choice(NO_JSON_NUMBERS)
    return draw.choice(NOT_NUMBERS)


def _long_number(draw: Random, lawful: Sequence[str]) -> str:
    size = draw.choice((40, 60, 66, 400, 5000))
    return draw.choice(
        (
            "1" + "0" * size,
            "0." + "3" * size,
            draw.choice(lawful) + ("" if "." in lawful[0] else ".") + "0" * size,
            "0." + "0" * size + "1",
            "1e" + "9" * min(size, 400),
            "-" + "9" * size,
        )
    )


def space(draw: Random) -> str:
    """White space between tokens; rarely what only lax readers take for it."""
    chance = draw.random()
    if chance < 0.90:
        return ""
    if chance < 0.9996:
        return draw.choice((" ", "\n", "\t", "\r\n", "  "))
    return draw.choice(("\f", "\v", "\u00a0", "\ufeff", "/* */", "//\n", "\x00"))


def object_of(draw: Random, pairs: Sequence[Pair]) -> str:
    """An object with these members in this order, repeated names and all."""
    members = (f"{space(draw)}{key}{space(draw)}:{space(draw)}{value}{space(draw)}" for key, value in pairs)
    return "{" + ",".join(members) + "}"


def nested(draw: Random, value: str) -> str:
    """A value some or very many levels down."""
    depth = draw.choice((1, 2, 3, 100, 200, 899, 901, 1000, 5000))
    kind = draw.choice(("[", "{", "both"))
    if kind == "[":
        return "[" * depth + value + "]" * depth
    key = draw.choice(('{"a":', '{"temperature":'))
    if kind == "{":
        return key * depth + value + "}" * depth
    return ("[" + key) * (depth // 2) + value + "}]" * (depth // 2)
