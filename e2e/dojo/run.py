#!/usr/bin/env python3
"""Replays the recordings through a running Remit, and scores what it lets through.

    run.py --remit PROGRAM [--suite NAME]… [--mode MODE]… [--order ORDER]… [--variant NAME]… [--sample N]
           [--policies FOLDER] [--data FOLDER] [--json] [--write PAGE]

Without options: every suite, both modes, both orders, as they were recorded, with the policies that are built in.
`--variant all` is every shape that there is. With --sample, so many attacked runs of each suite, mode and order. It prints the tables, or JSON with --json, and
puts them into the page that --write names.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import recordings
import report
import variants
from gateway import ROOT, standing
from replay import replay
from score import MODES


@dataclass(frozen=True)
class Plan:
    """What is to be played."""

    modes: tuple[str, ...]
    orders: tuple[str, ...]
    sample: int | None
    variant: variants.Variant

    def honest(self, suite):
        return [self.variant.honest(run) for run in suite.honest]

    def attacked(self, suite, order):
        varied = (self.variant.attacked(suite, run) for run in suite.attacked[order])
        return [run for run in varied if run is not None]


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--remit", type=Path, default=ROOT / "target/debug/remit")
    parser.add_argument("--suite", action="append")
    parser.add_argument("--mode", action="append", choices=MODES)
    parser.add_argument("--order", action="append", choices=recordings.ORDERS)
    parser.add_argument("--variant", action="append", choices=[*variants.ALL, "all"])
    parser.add_argument("--sample", type=int)
    parser.add_argument("--policies", type=Path, help="a folder of policies in place of those that are built in")
    parser.add_argument("--data", type=Path, default=recordings.DATA)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, help="a page with marks where the tables belong")
    return parser.parse_args(words)


async def main(given):
    folders = [it for it in recordings.suites(given.data) if not given.suite or it.name in given.suite]
    if not folders:
        raise SystemExit(f"expected recordings of {given.suite or 'some suite'} under {given.data}, got none")
    suites = [recordings.read(folder) for folder in folders]
    chosen = given.variant or ["recorded"]
    for name, variant in variants.ALL.items():
        if name in chosen or "all" in chosen:
            scores = await play(suites, given, variant)
            if given.write:
                mark = "dojo" if name == "recorded" else f"dojo {name}"
                report.write(given.write, mark, report.section(scores, given.sample))
            print(json.dumps(report.figures(scores), indent=1) if given.json else report.section(scores, given.sample))


async def play(suites, given, variant):
    """What the suites came to in one shape, through a gateway of its own."""
    plan = Plan(tuple(given.mode or MODES), tuple(given.order or recordings.ORDERS), given.sample, variant)
    async with standing(suites, given.remit, given.policies, variant.form) as (operator, servers):
        return await asyncio.gather(*(replay(operator, servers[suite.name], plan, progress) for suite in suites))


def progress(line):
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    asyncio.run(main(parse(sys.argv[1:])))
