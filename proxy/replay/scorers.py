"""Scorers: whether an answer is the expected one, by its content alone.

Here: one function for each scorer. Not here: shares and their bounds (figures.py). Invariants: an answer in which no
answer can be found is wrong, and said to be so; nothing is drawn by chance; what stands in the reasoning counts for
nothing, as in the Kimi Vendor Verifier's scorers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import msgspec
import orjson

from proxy.contract.schemas import SCHEMAS


@dataclass(frozen=True, slots=True)
class Mark:
    """`parsed` False: there was nothing in the answer that could be compared."""

    correct: bool
    parsed: bool = True


class UnusableExpectation(ValueError):
    """The text says what is allowed."""


_UNPARSED: Final = Mark(correct=False, parsed=False)
_LETTERS: Final = "ABCDEFGHIJ"
"""MMMU Pro has ten options."""
_BOXED: Final = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_WRAPPED: Final = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}")
# No two repetitions side by side take the same character: a long run of spaces must not cost its length squared.
_SAID: Final = re.compile(
    r"(?i:answer)[\s*_`]*(?:(?i:is)\b|[:=]|(?=[(\[][A-J][)\]]))[\s*_`:=$({\[]*([A-J])(?![^\W_]|['\u2019])"
)
_ALONE: Final = re.compile(r"^[*_`\s(\[]*([A-J])[*_`\s)\].:]*$")
_NUMBER: Final = re.compile(
    r"([+-]?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<![\w.])\.\d+)(?:[eE][+-]?(\d+))?)(?:\s*/\s*(-?\d+))?"
)
"""The number, its exponent, and what it is divided by."""
_FRACTION: Final = re.compile(r"\\[dt]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(-?\d+)\s*\}")
_AROUND: Final = re.compile(r"\$|\\,|\{,\}|\^\s*(?:\\circ|\{\s*\\circ\s*\})|\u00b0")
_NAMED: Final = re.compile(r"^\s*[A-Za-z]\s*=")
_LONGEST_NUMBER: Final = 60
_LONGEST_EXPONENT: Final = 3
"""Digits: 1e999999999 is short to write and takes for ever to compute."""


def mark(scorer: str, content: str | None, expected: Any) -> Mark:  # noqa: ANN401  (JSON)
    """The mark of one answer. `expected` has passed check_expected."""
    text = content or ""
    return _MARKERS[scorer](text, expected) if text.strip() else _UNPARSED


def check_expected(scorer: str, expected: Any) -> None:  # noqa: ANN401  (JSON)
    """Raises UnusableExpectation."""
    allowed = _ALLOWED[scorer]
    if scorer == "schema":
        usable = isinstance(expected, dict) and _schema(expected) is not None
    elif scorer == "numeric":
        usable = not isinstance(expected, bool) and _number(str(expected)) is not None
    elif scorer == "letter":
        usable = isinstance(expected, str) and len(expected) == 1 and expected in _LETTERS
    else:
        usable = bool(_texts(expected))
    if not usable:
        raise UnusableExpectation(allowed)


def _exact(content: str, expected: Any) -> Mark:  # noqa: ANN401
    return Mark(content.strip() in [text.strip() for text in _texts(expected)])


def _contains(content: str, expected: Any) -> Mark:  # noqa: ANN401
    """OCRBench's rule: upper and lower case are alike, and so is all white space; formulas are compared without any."""
    spaces = not (isinstance(expected, dict) and expected.get("spaces") is False)
    said = _plain(content, spaces=spaces)
    return Mark(any(_plain(text, spaces=spaces) in said for text in _texts(expected)))


def _numeric(content: str, expected: Any) -> Mark:  # noqa: ANN401
    boxed = _BOXED.findall(content)
    found = _number(boxed[-1]) if boxed else _last_number(content)
    return _UNPARSED if found is None else Mark(found == _number(str(expected)))


def _letter(content: str, expected: Any) -> Mark:  # noqa: ANN401
    found = _said_letter(content)
    return _UNPARSED if found is None else Mark(found == expected)


def _by_schema(content: str, expected: Any) -> Mark:  # noqa: ANN401
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return _UNPARSED
    accepts = _schema(expected)
    return Mark(accepts is not None and accepts(value))


_MARKERS: Final[dict[str, Callable[[str, Any], Mark]]] = {
    "exact": _exact,
    "contains": _contains,
    "numeric": _numeric,
    "letter": _letter,
    "schema": _by_schema,
}
SCORERS: Final = (*_MARKERS, "none")
_ALLOWED: Final = {
    "exact": "a text, or a list of texts of which one is enough",
    "contains": 'a text, a list of texts of which one is enough, or {"any": [...], "spaces": false} for formulas',
    "numeric": "a number, or a text that is one (-12, 1,024, 0.5, 3/4)",
    "letter": f"one letter of {_LETTERS}",
    "schema": "a JSON schema, as an object",
}


def _texts(expected: Any) -> list[str]:  # noqa: ANN401
    """The texts of which one is enough; none: not usable."""
    value = expected.get("any") if isinstance(expected, dict) else expected
    texts = [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str) and text.strip()]
    return texts if texts and (not isinstance(value, list) or len(texts) == len(value)) else []


def _plain(text: str, *, spaces: bool) -> str:
    return (" " if spaces else "").join(text.casefold().split())


def _number(text: str) -> Fraction | None:
    """A number as people and LaTeX write it; degrees and the name that it is given count for nothing."""
    text = _FRACTION.sub(r"\1/\2", _AROUND.sub("", _WRAPPED.sub(r"\1", text)))
    text = _NAMED.sub("", text).strip().removesuffix(".").replace(" ", "")
    found = _NUMBER.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if found is None or len(found[2] or "") > _LONGEST_EXPONENT:
        return None
    with suppress(ZeroDivisionError):
        return Fraction(found[1].replace(",", "")) / int(found[3] or 1)
    return None


def _last_number(content: str) -> Fraction | None:
    found = [match[0] for match in _NUMBER.finditer(_FRACTION.sub(r"\1/\2", content))]
    return _number(found[-1]) if found else None


def _said_letter(content: str) -> str | None:
    """That of the last box, else the last that is called the answer, else a last line that is one letter."""
    content = _WRAPPED.sub(r"\1", content)
    boxed = _BOXED.findall(content)
    if boxed and (letter := _ALONE.match(boxed[-1])):
        return letter[1]
    if said := _SAID.findall(content):
        return str(said[-1])
    alone = _ALONE.match(content.strip().splitlines()[-1])
    return alone[1] if alone else None


def _schema(schema: dict[str, Any]) -> Callable[[object], bool] | None:
    """What judges by a schema; None: it is none that can be judged by."""
    text = msgspec.json.encode(schema)
    if schema and SCHEMAS.judge(text, None) is None:
        return None
    return lambda value: SCHEMAS.judge(text, value) is not False
