"""The reference of every setting, made from the schema.

Not here: prose about configuring (docs/configuration.md, around the reference). Invariant: the text depends on the
schema alone, so a test can tell whether the page is fresh. `python -m proxy.config.reference docs/configuration.md`
renews it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from proxy.config.document import SECTIONS
from proxy.config.kinds import Kind, kind_of
from proxy.config.section import Section
from proxy.config.sources import PREFIX, REFERENCE_KEY, Flags, spelled_flag
from proxy.config.values import Address, Budget

BEGIN: Final = "<!-- reference: begin -->"
END: Final = "<!-- reference: end -->"

_UNITS: Final = ((3600, "h"), (60, "m"), (1, "s"))
_LONG_UNITS: Final = ((86400, "d"), *_UNITS)
_SIZES: Final = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"), (1, "B"))


def reference() -> str:
    """Every setting as Markdown: a table for each section, and one of flags and variables."""
    parts = [part for path, section in SECTIONS for part in _section(path, section)]
    return "\n".join([*parts, *_flags()])


def renewed(page: str) -> str:
    """A page with its reference made anew. Raises ValueError when the page has no place for one."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


def _section(path: str, section: type[Section]) -> Iterator[str]:
    yield f"### {f'`{path}`' if path else 'Top level'}"
    yield ""
    yield " ".join((section.__doc__ or "").split())
    yield ""
    yield "| setting | kind | written as | default | meaning |"
    yield "|---|---|---|---|---|"
    for name, field in section.model_fields.items():
        kind = kind_of(field)
        written = (kind.noun, kind.example) if kind else ("section", f"see `{f'{path}.{name}' if path else name}`")
        meaning = (field.description or "").replace("|", "\\|")
        yield f"| `{name}` | {written[0]} | {written[1]} | {_default(field, kind)} | {meaning} |"
    yield ""


def _default(field: FieldInfo, kind: Kind | None) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "`none`" if kind and kind.noun == "duration, or `none`" else "unset"
    if kind is None:
        return "unset" if value == () else "as there"
    if value in ((), {}):
        return "unset"
    items = value if isinstance(value, tuple) else (value,)
    return ", ".join(f"`{_spelled(item, kind)}`" for item in items)


def _spelled(value: object, kind: Kind) -> str:
    """A default as the file would write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Address):
        return f"{value.host}:{value.port}"
    if isinstance(value, Budget):
        return f"{value.amount:g} pairs" if value.clock == "pairs" else _time(value.amount * 3600.0, _LONG_UNITS)
    if kind.noun == "share":
        return f"{float(str(value)) * 100:g}%"
    if isinstance(value, float):
        return _time(value, _LONG_UNITS if kind.noun == "long duration" else _UNITS)
    if isinstance(value, int) and kind.noun in ("size", "rate"):
        size, unit = next((size, unit) for size, unit in _SIZES if value % size == 0)
        return f"{value // size}{unit}{'/s' if kind.noun == 'rate' else ''}"
    return str(value)


def _time(seconds: float, units: tuple[tuple[int, str], ...]) -> str:
    size, unit = next((size, unit) for size, unit in units if seconds % size == 0)
    return f"{seconds / size:g}{unit}"


def _flags() -> Iterator[str]:
    yield "### Flags and variables"
    yield ""
    yield "| flag of `serve` | variable | sets |"
    yield "|---|---|---|"
    for name in Flags.__dataclass_fields__:
        target = _TARGETS.get(name, f"`{name}`")
        yield f"| `{spelled_flag(name)}` | `{PREFIX}{name.upper()}` | {target} |"
    yield ""


_TARGETS: Final = {
    "config": "the file to read",
    "vendor": "`vendors`: this one URL",
    "profile": "the profile of the vendor of `--vendor`",
    "reference": f"`reference`: this one URL, with the key in `{REFERENCE_KEY}`",
    "mirror_fraction": "`mirror.fraction`",
}

if __name__ == "__main__":
    for name in sys.argv[1:]:
        Path(name).write_text(renewed(Path(name).read_text(encoding="utf-8")), encoding="utf-8")
