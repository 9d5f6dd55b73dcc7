"""The command `python -m dashboards.pictures PROMETHEUS_URL`; `--help` lists its options.

Not here: how a page is served or drawn. Invariant: exit code 1 when a panel could not be drawn, 2 when nothing could.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from dashboards.generator.__main__ import FOLDER
from dashboards.pictures.browser import picture
from dashboards.pictures.site import CannotDraw, Site, bundle, library_version, prometheus, served

_WIDTH: Final = 1600
_TOP: Final = 84
_CELL: Final = 38


def scrape_interval_s(prometheus_url: str) -> int:
    """How often Prometheus asks, as its first target says: `$__rate_interval` follows from it."""
    found = json.loads(prometheus(prometheus_url, "/api/v1/targets?state=active"))["data"]["activeTargets"]
    text = found[0].get("scrapeInterval", "15s") if found else "15s"
    parts = {unit: int(count) for count, unit in _amounts(text)}
    return max(1, parts.get("m", 0) * 60 + parts.get("s", 0))


def _amounts(text: str) -> list[tuple[str, str]]:
    amounts, digits = [], ""
    for character in text:
        if character.isdigit():
            digits += character
        elif digits:
            amounts.append((digits, character))
            digits = ""
    return amounts


def _height(dashboard: dict[str, Any]) -> int:
    last: int = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in dashboard["panels"])
    return _TOP + _CELL * last + 8


def draw(prometheus_url: str, start_s: int, end_s: int, out: Path, names: list[str]) -> int:
    """Draw the named dashboards from start to end (Unix time); how many panels failed."""
    scrape, library, failed = scrape_interval_s(prometheus_url), library_version(), 0
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="paramwall-pictures-") as files:
        bundle(Path(files))
        site = Site(prometheus_url, Path(files))
        with served(site) as url:
            for name in names:
                dashboard = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
                times = {"from": start_s, "to": end_s, "scrape": scrape}
                site.give({"dashboard": dashboard, "library": library, **times})
                file = (out / f"{name}.png").resolve()
                picture(url, file, _WIDTH, _height(dashboard))
                failed += _told(site, name, file)
    return failed


def _told(site: Site, name: str, file: Path) -> int:
    if not site.drawn.is_set():
        raise CannotDraw(f"the page of {name} did not come to its end; look at {file}")
    print(f"{file} ({file.stat().st_size // 1024} KiB)")
    for title in site.report["nothing"]:
        print(f"  no data: {title}")
    for text in site.report["trouble"]:
        print(f"  not drawn: {text}", file=sys.stderr)
    return len(site.report["trouble"])


def main() -> int:
    every = sorted(file.stem for file in FOLDER.glob("*.json"))
    parser = argparse.ArgumentParser(prog="python -m dashboards.pictures", description="Draws the dashboards.")
    parser.add_argument("prometheus", help="the URL of a Prometheus that scrapes Paramwall")
    parser.add_argument("--minutes", type=int, default=15, help="the time range to be shown (15)")
    parser.add_argument("--ago", type=int, default=0, metavar="SECONDS", help="how long ago it ends (0)")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"), help="the folder (docs/pictures)")
    parser.add_argument("--only", choices=every, action="append", help="this dashboard alone; may be repeated")
    asked = parser.parse_args()
    end_s = int(time.time()) - asked.ago
    try:
        start_s = end_s - 60 * asked.minutes
        return 1 if draw(asked.prometheus, start_s, end_s, asked.out, asked.only or every) else 0
    except CannotDraw as error:
        print(f"python -m dashboards.pictures: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
