"""The attacks that attacker/ describes: each is a run, and how far it is expected to get.

What the tables hold is told at the beginning of each file there.
"""

import json
import tomllib
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from forms import FORMS
from recordings import LOOKING, Call, Run

FOLDER = Path(__file__).resolve().parent / "attacker"

# Of the attacker, unless an attack names something else.
VALUE = "mallory@evil.example"

# How much is read before an attack with noise: so many records by each call, of so many words that nobody has seen.
NOISE_RECORDS, NOISE_WORDS = 200, 60


@dataclass(frozen=True)
class Attack:
    """One run, and how far it is expected to get."""

    run: Run
    expected: str
    why: str


def attacks():
    """All of them."""
    carriers, sinks = table("carriers"), table("sinks")
    for file in sorted((FOLDER / "attacks").glob("*.toml")):
        for told in tomllib.loads(file.read_text()).get("attack", []):
            yield from single(told, carriers)
    for grid in table("grids")["grid"]:
        yield from gridded(grid, carriers, sinks)


def table(name):
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())


def single(told, carriers):
    """One attack, in each form of its value."""
    for written, used in product(told.get("written", ["plain"]), told.get("used", ["plain"])):
        fill = filling(told.get("value", VALUE), written, used)
        noise = [noisy(number) for number in range(told.get("noise", 0))]
        read = [carried(carriers[name], text) for name, text in told.get("read", [])]
        wanted = [call(tool, arguments, injected=True) for tool, arguments in told.get("do", [])]
        further = [call(**one) for one in told.get("call", [])]
        before, after = ([], noise) if told.get("noise_after") else (noise, [])
        calls = [*before, *map(fill, [*read, *further]), *after, *map(fill, wanted)]
        yield attack(told, (written, used), fill(told["prompt"]), calls)


def gridded(grid, carriers, sinks):
    """Each carrier with each sink, in each form, once where the purpose calls for what the sink does and once where not."""
    axes = (grid["carriers"], grid["sinks"], ("wanted", "unwanted"), grid["written"], grid.get("used", ["plain"]))
    for carrier, sink, wanted, written, used in product(*axes):
        source, target = carriers[carrier], sinks[sink]
        fill = filling(target["value"], written, used)
        read = carried(source, target["text"])
        wish = f" {target['wish']}" if wanted == "wanted" else ""
        injected = call(target["tool"], target["arguments"], injected=True)
        parts = (carrier, sink, wanted, written, used)
        yield attack(grid, parts, f"{source['prompt']}{wish}", [fill(read), fill(injected)])


def attack(told, parts, prompt, calls):
    """The attack, which is told by a table, with these parts."""
    name = f"{told['name']} ({', '.join(parts)})"
    expected = next(
        (got for words, got in told.get("but", {}).items() if set(words.split()) <= set(parts)), told["expected"]
    )
    return Attack(Run(name, prompt, tuple(calls), goal=told["name"]), expected, told.get("why", ""))


def call(tool, arguments, result=None, error=None, injected=False):
    structure = {"done": True} if result is None else result
    return Call(tool, arguments, json.dumps(structure), structure, error, injected, injected, not tool.startswith(LOOKING))


def carried(carrier, text):
    """The call by which the agent comes to read a text."""
    fill = marks({"{text}": text})
    return fill(call(carrier["tool"], carrier["arguments"], carrier.get("result"), carrier.get("error")))


def filling(value, written, used):
    """Puts the attacker's value where it belongs: `{written}` in texts, `{used}` in calls."""
    return marks({"{written}": FORMS[written](value), "{used}": FORMS[used](value)})


def marks(values):
    def fill(it):
        if isinstance(it, str):
            for mark, value in values.items():
                it = it.replace(mark, value)
            return it
        if isinstance(it, list):
            return [fill(one) for one in it]
        if isinstance(it, dict):
            return {fill(name): fill(value) for name, value in it.items()}
        if isinstance(it, Call):
            structure = fill(it.structure)
            text = structure if isinstance(structure, str) else json.dumps(structure)
            return replace(it, arguments=fill(it.arguments), text=text, structure=structure, error=fill(it.error))
        return it

    return fill


def noisy(number):
    """A call that returns much, none of it seen before."""
    words = lambda at: " ".join(f"w{number}x{at}x{word}" for word in range(NOISE_WORDS))  # noqa: E731
    records = [{"id": f"n{number}-{at}", "subject": f"noise {at}", "body": words(at)} for at in range(NOISE_RECORDS)]
    return call("search_mail", {"query": f"noise {number}"}, records)
