"""The recordings as values: suites, their tools, honest runs and attacked runs.

What the files hold stands in README.md. Nothing here knows a suite by name: each folder under `data/` is one.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard
from compose import composed

DATA = Path(__file__).resolve().parent / "data"

# When the agent turns to what the attacker asks: after its own work, or as soon as it has read it.
ORDERS = ("append", "interleave")

# How the names of tools that only look at something begin, but for those that a suite tells. What a tool does is for Remit to find out; this is
# for the score alone, which must not believe Remit.
LOOKING = ("check_", "find_", "get_", "list_", "read_", "search_")


@dataclass(frozen=True)
class Call:
    """A call that was made when the run was recorded, and what came back."""

    tool: str
    arguments: dict[str, Any]
    text: str
    structure: Any
    error: str | None = None
    injected: bool = False
    necessary: bool = False
    effect: bool = True

    @property
    def key(self) -> str:
        return key_of(self.tool, self.arguments)


@dataclass(frozen=True)
class Run:
    """What one agent does on one prompt, in order; `goal` is what an attacker had it do besides."""

    name: str
    prompt: str
    calls: tuple[Call, ...]
    goal: str | None = None

    @property
    def honest(self) -> tuple[Call, ...]:
        return tuple(call for call in self.calls if not call.injected)

    def text(self) -> str:
        """Everything that anybody said or returned in it."""
        return "\n".join([self.prompt, *(call.text for call in self.calls)])


@dataclass(frozen=True)
class Suite:
    name: str
    folder: Path
    tools: list[dict[str, Any]]
    facts: tuple[str, ...]
    honest: tuple[Run, ...]
    attacked: dict[str, tuple[Run, ...]]


def key_of(tool: str, arguments: dict[str, Any]) -> str:
    """What tells one call from another: the tool and its arguments, whatever their order."""
    return f"{tool} {json.dumps(arguments, sort_keys=True)}"


def suites(data: Path = DATA) -> list[Path]:
    return sorted(folder for folder in data.iterdir() if (folder / "tools.json").exists())


def read(folder: Path) -> Suite:
    about = json.loads((folder / "suite.json").read_text())
    facts = tuple(str(fact) for fact in about["principal"].values())
    looking = tuple(about.get("looking", []))
    if (folder / "tasks.toml").exists():
        told = composed(folder, facts[0])
        runs = {name: tuple(run_of(line, looking) for line in told[name]) for name in told}
    else:
        files = ["user_tasks", *(f"pairs_{order}" for order in ORDERS)]
        runs = {name: tuple(run_of(line, looking) for line in lines(folder / f"{name}.jsonl")) for name in files}
    return Suite(
        name=folder.name,
        folder=folder,
        tools=[tool_of(tool) for tool in json.loads((folder / "tools.json").read_text())],
        facts=facts,
        honest=runs["user_tasks"],
        attacked={order: runs[f"pairs_{order}"] for order in ORDERS},
    )


def tool_of(recorded: dict[str, Any]) -> dict[str, Any]:
    """The tool as an MCP server publishes it, without annotations: they would be the server's own word."""
    return {
        "name": recorded["name"],
        "description": recorded["description"],
        "inputSchema": recorded["parameters"],
    }


def run_of(line: dict[str, Any], looking: tuple[str, ...]) -> Run:
    calls = tuple(
        Call(
            tool=call["function"],
            arguments=call["args"],
            text=call["output"],
            structure=call["output_json"],
            error=call["error"],
            injected=call.get("is_injection", False),
            necessary=call.get("necessary_by_checker", False),
            effect=not call["function"].startswith(LOOKING + looking),
        )
        for call in line["calls"]
    )
    if "user_task" not in line:
        return Run(line["task_id"], line["prompt"], calls)
    return Run(f"{line['user_task']} + {line['injection_task']}", line["prompt"], calls, line["goal"])


def lines(path: Path):
    """The lines of a file that lies there compressed, or as it is; none where there is no such file."""
    packed = path.with_name(f"{path.name}.zst")
    if not packed.exists():
        yield from map(json.loads, path.read_text().splitlines() if path.exists() else [])
        return
    with packed.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as plain:
        yield from map(json.loads, io.TextIOWrapper(plain, encoding="utf-8"))
