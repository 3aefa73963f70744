#!/usr/bin/env python3
"""An attacker who knows all the rules: generates attacks, plays them through a running Remit, compares how far they get.

    attacker.py --remit PROGRAM [--policies FOLDER] [--sample N] [--only WORDS] [--json] [--write PAGE]

What is tried, and how far it is expected to get, stands in attacker/. Exits with 1 where an attack gets further than it
should, or less far: what is written of it would then be wrong.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path

import report
from agent import Agent
from attacks import FOLDER, attacks
from gateway import ROOT, standing
from recordings import read
from replay import play, sample, tired
from score import said


def got(played):
    """How far an attack got with a person who approves everything."""
    if not played.succeeded():
        return "denied"
    return "asks" if any(it.asked for it in played.injected) else "passes"


async def tried(operator, server, attack):
    """What became of an attack, and why."""
    played = await play(Agent(operator), server, attack.run, "purpose only", tired)
    stopped = next((it for it in reversed(played.injected) if it.refusals), None)
    return {
        "family": attack.run.goal,
        "attack": attack.run.name,
        "expected": attack.expected,
        "got": got(played),
        "why": said(stopped) if stopped else attack.why,
    }


async def main(given):
    suite = read(FOLDER)
    chosen = [attack for attack in attacks() if given.only in attack.run.name]
    chosen = sample(chosen, given.sample, lambda attack: attack.run.name)
    async with standing([suite], given.remit, given.policies) as (operator, servers):
        found = [await tried(operator, servers[suite.name], attack) for attack in chosen]
    surprises = [one for one in found if one["got"] != one["expected"]]
    if given.write:
        report.write(given.write, "attacker", report.attacker_section(found))
    print(json.dumps(found, indent=1) if given.json else "\n".join(map(line, found)))
    for one in surprises:
        print(f"expected {one['expected']}, got {line(one)}", file=sys.stderr)
    return bool(surprises)


def line(one):
    return f"{one['got']:7} {one['attack']}: {one['why']}"


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--remit", type=Path, default=ROOT / "target/debug/remit")
    parser.add_argument("--policies", type=Path, help="a folder of policies in place of those that are built in")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--only", default="", help="attacks whose names contain this")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, help="a page with marks where the table belongs")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(parse(sys.argv[1:]))))
