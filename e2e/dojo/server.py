#!/usr/bin/env python3
"""A Streamable HTTP MCP server that publishes the tools of a suite and answers with what was recorded.

    server.py FOLDER [--text-only]

FOLDER holds the recordings of a suite. It prints its URL and serves until it is killed. Which run is played is
told beside MCP: `POST /play` takes its calls as `[{"tool", "arguments", "text", "structure", "error"}]`, and
`GET /reached` says which calls have come since. A call is answered by the next recorded one of the same tool and
arguments; one that this run does not hold by the honest recordings, else by an error. With --text-only results
are not structured.
"""

import argparse
import json
import socket
from collections import deque
from pathlib import Path

import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from recordings import key_of, read
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Player:
    """What is answered to which call."""

    def __init__(self, suite, structured):
        self.tools = [types.Tool.model_validate(tool) for tool in suite.tools]
        self.structured = structured
        self.clean = {}
        for run in suite.honest:
            for call in run.calls:
                self.clean.setdefault(call.key, vars(call))
        self.recorded, self.reached = {}, []

    def play(self, calls):
        self.recorded, self.reached = {}, []
        for call in calls:
            self.recorded.setdefault(key_of(call["tool"], call["arguments"]), deque()).append(call)

    def answer(self, tool, arguments):
        key = key_of(tool, arguments)
        self.reached.append(key)
        left = self.recorded.get(key)
        if left:
            # The last one is given again: an agent may look twice where the recorded one looked once.
            return left.popleft() if len(left) > 1 else left[0]
        return self.clean.get(key) or {"error": "nothing was recorded for this call"}

    def result(self, answer):
        if answer["error"] is not None:
            return types.CallToolResult(content=[text(answer["error"])], is_error=True)
        structure = answer["structure"]
        if not isinstance(structure, dict):
            structure = {"result": structure}
        return types.CallToolResult(
            content=[text(answer["text"])], structured_content=structure if self.structured else None
        )


def text(words):
    return types.TextContent(type="text", text=words)


def application(player):
    async def list_tools(_context, _params):
        return types.ListToolsResult(tools=player.tools)

    async def call_tool(_context, params):
        return player.result(player.answer(params.name, params.arguments or {}))

    async def play(request: Request):
        player.play(json.loads(await request.body()))
        return Response(status_code=204)

    async def reached(_request: Request):
        return JSONResponse(player.reached)

    server = Server("recordings", version="1.0.0", on_list_tools=list_tools, on_call_tool=call_tool)
    beside = [Route("/play", play, methods=["POST"]), Route("/reached", reached)]
    return server.streamable_http_app(json_response=True, custom_starlette_routes=beside)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--text-only", action="store_true")
    given = parser.parse_args()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        app = application(Player(read(given.folder), structured=not given.text_only))
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listener])


if __name__ == "__main__":
    main()
