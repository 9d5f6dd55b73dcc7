"""Asked: what a request asked for, as far as its answer is judged by it.

Here: the value. Not here: reading it from the request's raw members (asking.py), policy, and the answer. Invariant:
what cannot be read is as if it had not been asked; a schema that cannot be judged by says nothing of any value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from proxy.contract.mode import Mode


@dataclass(frozen=True, slots=True)
class Tool:
    """A declared tool. `judge` says whether parsed arguments are as the declared schema wants them, and takes those
    that it would need too long to judge; None: there is none to judge by.
    """

    name: str
    judge: Callable[[object], bool | None] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """`tools` by name; empty: none declared. `format_accepts` judges the parsed content where `response_format` wants
    JSON (json_object: any object; json_schema: by the schema); None: any text will do. `models` are the names the
    vendor may give in its answer.

    Known only where the whole request is at hand, that is, for pairs: `scripts`, the Unicode scripts of its letters;
    `images` and `reasoning_history`, whether its messages hold any; `prompt_tokens`, what usage.prompt_tokens may be by
    our own count, None: not counted.
    """

    mode: Mode
    model: str = ""
    models: frozenset[str] = frozenset()
    stream: bool = False
    tools: Mapping[str, Tool] = field(default_factory=dict)
    tool_choice: str | None = None
    format_kind: str = "text"
    format_accepts: Callable[[object], bool] | None = field(default=None, compare=False)
    max_tokens: int | None = None
    usage_asked: bool = True
    scripts: frozenset[str] | None = None
    images: bool = False
    reasoning_history: bool = False
    prompt_tokens: range | None = None
