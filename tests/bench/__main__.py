"""Measure coderemote against stock ipykernel, and write docs/benchmarks.md.

Run from the top of the repository: `python -m tests.bench`, or with `--quick` for a look,
`--only start,output` for some parts, `--profile` to see what a start is made of.
"""

# ruff: noqa: T201 - a command-line tool prints

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from . import killed, memory, report, roundtrip, soak, startup, suites, websocket
from .kernels import Bench, BenchError
from .results import Row, Section

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
# what each part found last, so that one part can be measured again alone
STORE = ROOT / ".cache" / "bench.json"

PARTS: dict[str, Callable[[Bench], Section]] = {
    "conformance": suites.measure_conformance,
    "start": startup.measure,
    "roundtrip": roundtrip.measure,
    "websocket": websocket.measure,
    "output": roundtrip.measure_output,
    "memory": memory.measure,
    "escapes": suites.measure_escapes,
    "killed": killed.measure,
    "restarts": soak.measure_restarts,
    "jails": soak.measure_jails,
    "cells": soak.measure_cells,
}


def main() -> int:
    """Measure, print, and write the page."""
    options = _options()
    if options.profile:
        from . import importtime, timeline

        importtime.show()
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as home:
            timeline.show(Bench(Path(home)))
        return 0
    chosen = options.only.split(",") if options.only else list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        print(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        return 2
    facts = report.machine_facts()
    facts["date"] = f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}"
    facts["command"] = " ".join(["python -m tests.bench", *sys.argv[1:]])
    stored = json.loads(STORE.read_text()) if STORE.exists() else {}
    missed = False
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as home:
        for part in chosen:
            section = _measure(part, Bench(Path(home), options.quick))
            print(report.table(section.rows), flush=True)
            missed = missed or any(row.verdict == "missed" for row in section.rows)
            stored[part] = {"section": section.as_json(), "facts": facts}
            if not options.quick:
                _write(stored)
    return int(missed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, page not written")
    parser.add_argument("--only", metavar="PARTS", help=f"comma-separated, of {', '.join(PARTS)}")
    parser.add_argument("--profile", action="store_true", help="show what a start is made of")
    return parser.parse_args()


def _measure(part: str, bench: Bench) -> Section:
    print(f"\n{part} …", flush=True)
    try:
        return PARTS[part](bench)
    except (BenchError, TimeoutError, RuntimeError, OSError) as error:
        # one part that cannot be measured must not hide the others; the page says so
        traceback.print_exc()
        reason = " ".join(str(error).split())[:160].replace("|", "/") or type(error).__name__
        row = Row(part, f"could not be measured: {reason}", "missed", must="a number")
        return Section(part, [row], how="not measured")


def _write(stored: dict[str, dict[str, dict[str, object]]]) -> None:
    STORE.parent.mkdir(exist_ok=True)
    STORE.write_text(json.dumps(stored, indent=1))
    found = [
        (
            Section.from_json(stored[part]["section"]),
            {k: str(v) for k, v in stored[part]["facts"].items()},
        )
        for part in PARTS
        if part in stored
    ]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(report.page(found))


if __name__ == "__main__":
    sys.exit(main())
