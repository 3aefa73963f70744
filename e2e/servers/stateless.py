#!/usr/bin/env python3
"""A small fastmcp server that speaks 2026-07-28 (and 2025-11-25) on 127.0.0.1, or on standard input and output.

    stateless.py --port 8000      Streamable HTTP at /mcp; 0 takes a free port and prints its URL
    stateless.py --stdio
"""

import argparse
import socket

from fastmcp import Context, FastMCP
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult

server = FastMCP("stateless", version="1.0.0", instructions="Small tools for tests.")


@server.tool(annotations={"readOnlyHint": True, "openWorldHint": False})
def add(a: int, b: int) -> int:
    """Adds two whole numbers."""
    return a + b


@server.tool(annotations={"readOnlyHint": True, "openWorldHint": False})
def divide(a: int, b: int) -> float:
    """Divides a by b, and fails where b is 0."""
    return a / b


@server.tool(annotations={"readOnlyHint": False, "destructiveHint": True, "openWorldHint": True})
def send_note(recipient: str, text: str) -> str:
    """Sends a note to a recipient."""
    return f"sent {len(text)} characters to {recipient}"


@server.tool(annotations={"readOnlyHint": True})
async def count_down(steps: int, context: Context) -> str:
    """Counts down, reporting progress at each step."""
    for step in range(steps):
        await context.report_progress(step + 1, steps, f"step {step + 1}")
    return "done"


@server.tool(annotations={"readOnlyHint": True, "openWorldHint": False})
def greet(context: Context) -> str | InputRequiredResult:
    """Asks who is there, and says what came of it."""
    if context.input_responses:
        return f"{context.request_state}: {context.input_responses['name'].action}"
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    form = ElicitRequestFormParams(message="Who is there?", requested_schema=schema)
    return InputRequiredResult(input_requests={"name": ElicitRequest(params=form)}, request_state="asked once")


@server.tool(annotations={"readOnlyHint": True, "openWorldHint": False})
async def chatter(context: Context) -> str:
    """Says something on the side."""
    await context.warning("by the way")
    return "said"


@server.resource("note://greeting", mime_type="text/plain")
def greeting() -> str:
    """A greeting."""
    return "hello"


@server.prompt
def summarise(subject: str) -> str:
    """Asks for a summary."""
    return f"Summarise {subject} in one sentence."


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", type=int)
    where.add_argument("--stdio", action="store_true")
    given = parser.parse_args()
    if given.stdio:
        server.run("stdio", show_banner=False)
        return
    port = given.port
    if port == 0:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    print(f"http://127.0.0.1:{port}/mcp", flush=True)
    server.run("http", host="127.0.0.1", port=port, path="/mcp", show_banner=False, log_level="warning")


if __name__ == "__main__":
    main()
