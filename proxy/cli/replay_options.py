"""The options of `paramwall replay`, each with its help.

Not here: what they do (replay.py). Invariant: an option means the same here and in `paramwall verify`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from proxy.replay.presets import PRESETS

DatasetPath: TypeAlias = Annotated[
    Path | None, typer.Argument(metavar="DATASET", help="Requests, one a line: .jsonl, .jsonl.gz, evidence .zip.")
]
Vendors: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="URL|NAME", help="A base URL, or a vendor of --config; repeatable.")
]
Output: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Checkpoint and results; DATASET's name and .replay by default.")
]
ReferenceUrl: TypeAlias = Annotated[str | None, typer.Option(metavar="URL", help="The endpoint trusted as truth.")]
PresetName: TypeAlias = Annotated[
    str | None, typer.Option(metavar="NAME", help=f"Published settings: {', '.join(PRESETS)}.")
]
ModeName: TypeAlias = Annotated[str | None, typer.Option(metavar="thinking|instant", help="For every record.")]
Temperature: TypeAlias = Annotated[float | None, typer.Option(min=0.0, max=2.0, help="For every record.")]
MaxTokens: TypeAlias = Annotated[int | None, typer.Option(min=1, help="For every record.")]
Epochs: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="How often each record is asked; else the preset's.")
]
Limit: TypeAlias = Annotated[int | None, typer.Option(min=1, help="Only the first so many records.")]
ModelName: TypeAlias = Annotated[str | None, typer.Option(metavar="NAME", help="The vendors' name for the model.")]
ConfigFile: TypeAlias = Annotated[str | None, typer.Option(metavar="FILE", help="Configuration with vendors and keys.")]
ProfileName: TypeAlias = Annotated[str | None, typer.Option(metavar="NAME|FILE", help="The vendors' dialect.")]
PolicyName: TypeAlias = Annotated[str | None, typer.Option(metavar="NAME|FILE", help="The contract.")]
KeyVariable: TypeAlias = Annotated[
    str | None, typer.Option(metavar="NAME", help="Variable with the vendors' key; else PARAMWALL_VENDOR_KEY.")
]
Concurrency: TypeAlias = Annotated[int, typer.Option(min=1, help="Calls under way at each target.")]
Timeout: TypeAlias = Annotated[float, typer.Option(min=1.0, help="Seconds for one call, all of it.")]
Attempts: TypeAlias = Annotated[int, typer.Option(min=1, help="How often one call is made at most.")]
Compare: TypeAlias = Annotated[
    tuple[Path, Path] | None,
    typer.Option(metavar="VENDOR REFERENCE", help="Instead: score two result files of K2-Vendor-Verifier."),
]
ReferenceTwice: TypeAlias = Annotated[
    bool, typer.Option("--reference-twice", help="Ask the reference again: its noise floor.")
]
Repair: TypeAlias = Annotated[
    bool, typer.Option("--repair", help="Send what breaks the policy as the proxy would, not as it is.")
]
RetryFailed: TypeAlias = Annotated[
    bool, typer.Option("--retry-failed", help="Ask again what ended without an answer in an earlier run.")
]
Export: TypeAlias = Annotated[bool, typer.Option("--export", help="Send nothing; score what is there so far.")]
Estimate: TypeAlias = Annotated[bool, typer.Option("--estimate", help="Send nothing; tell what it would take.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the summary as one JSON document.")]
