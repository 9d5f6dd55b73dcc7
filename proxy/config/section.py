"""What every group of settings is made of: Section, and Sub for one inside another.

Not here: the groups (document.py, document_scoring.py). Invariant: a name that a section does not know is refused.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from proxy.config.tree import Text

S = TypeVar("S", bound="Section")


class Section(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def _nothing_is_empty(value: object) -> object:
    """A section whose every line is commented out is an empty section."""
    return {} if isinstance(value, Text) and not value else value


Sub: TypeAlias = Annotated[S, BeforeValidator(_nothing_is_empty)]
