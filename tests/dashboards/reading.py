"""Which labels a PromQL expression gives, worked out from its tree; and what is wrong with how it comes to them.

Here: the walk over promql-parser's tree. Not here: which metrics there are. Invariant: an unknown kind of node is a
fault, never passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FOLLOWED = frozenset({"job", "instance", "vendor", "signal"})
KEEPING = {"topk", "bottomk"}
OVER_TIME = {"rate", "increase", "irate", "delta"}


@dataclass
class Reading:
    """What is known of the metrics goes in: labels by series name, which are counters, and which say what one scorer
    holds, so that their sum over instances means nothing. `follows` are the variables that a selector must follow where
    the metric has the label. Faults come out.
    """

    labels: Mapping[str, frozenset[str]]
    counters: frozenset[str]
    opinions: frozenset[str] = frozenset()
    follows: frozenset[str] = FOLLOWED
    faults: list[str] = field(default_factory=list)
    metrics: set[str] = field(default_factory=set)
    ranges: list[tuple[str, float]] = field(default_factory=list)
    """(function, seconds) for each range that a counter's growth is taken over."""

    def of(self, node: Any, within: str = "") -> frozenset[str]:  # noqa: ANN401  (promql-parser has no types)
        """The labels that `node` gives. `within` is the function around it."""
        kind = type(node).__name__
        match kind:
            case "NumberLiteral" | "StringLiteral":
                return frozenset()
            case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
                return self.of(node.expr, within)
            case "VectorSelector":
                return self._selector(node, within)
            case "MatrixSelector":
                self.ranges.append((within, node.range.total_seconds()))
                return self._selector(node.vector_selector, within)
            case "Call":
                return self._call(node)
            case "AggregateExpr":
                return self._aggregate(node)
            case "BinaryExpr":
                return self._binary(node)
        raise AssertionError(f"unknown kind of node: {kind}")

    def _selector(self, node: Any, within: str) -> frozenset[str]:  # noqa: ANN401
        self.metrics.add(node.name)
        known = self.labels.get(node.name)
        if known is None:
            self.faults.append(f"no metric {node.name}")
            return frozenset()
        asked = [matcher.name for matcher in node.matchers.matchers]
        self._known(asked, known, f"{node.name} has no label")
        missing = sorted((self.follows & known) - set(asked))
        self.faults += [f"{node.name} does not follow ${name}" for name in missing]
        if (node.name in self.counters) != (within in OVER_TIME):
            self.faults.append(f"{node.name} within {within or 'nothing'}: a counter's growth, a gauge as it is")
        return known

    def _call(self, node: Any) -> frozenset[str]:  # noqa: ANN401
        name = str(node.func.name)
        labels = frozenset[str]().union(*(self.of(argument, name) for argument in node.args))
        if name == "histogram_quantile":
            self._known(["le"], labels, "histogram_quantile without")
            return labels - {"le"}
        return labels

    def _aggregate(self, node: Any) -> frozenset[str]:  # noqa: ANN401
        inner = self.of(node.expr)
        if str(node.op) == "sum":
            self.faults += [f"{name} is added up" for name in _bare(node.expr) if name in self.opinions]
        if str(node.op) in KEEPING:
            return inner
        by = list(node.modifier.labels) if node.modifier else []
        if node.modifier and "By" not in str(node.modifier.type):
            return inner - set(by)
        self._known(by, inner, "grouped by what is not there:")
        return frozenset(by)

    def _binary(self, node: Any) -> frozenset[str]:  # noqa: ANN401
        left, right, operator = self.of(node.lhs), self.of(node.rhs), str(node.op)
        matching = node.modifier.matching if node.modifier else None
        if matching is not None:
            self._known(matching.labels, left & right, "matched on what one side lacks:")
        elif operator != "or" and left != right and not (_scalar(node.lhs) or _scalar(node.rhs)):
            self.faults.append(f"{sorted(left)} against {sorted(right)} match nowhere")
        return left if operator in ("and", "unless") else left | right

    def _known(self, asked: Sequence[str], known: frozenset[str], words: str) -> None:
        self.faults += [f"{words} {name}" for name in asked if name not in known]


def _bare(node: Any) -> Iterator[str]:  # noqa: ANN401
    """The metrics beneath a node that no other aggregation has taken together before."""
    match type(node).__name__:
        case "VectorSelector":
            yield node.name
        case "AggregateExpr" if str(node.op) not in KEEPING:
            return
        case _:
            parts = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "vector_selector")]
            for part in [*parts, *getattr(node, "args", [])]:
                if part is not None:
                    yield from _bare(part)


def _scalar(node: Any) -> bool:  # noqa: ANN401
    kind = type(node).__name__
    return kind == "NumberLiteral" or (kind == "Call" and str(node.func.name) == "time")


def legend_labels(legend: str) -> Iterator[str]:
    """The labels that a legend names."""
    for part in legend.split("{{")[1:]:
        yield part.partition("}}")[0].strip()
