#!/usr/bin/env python3
"""A Streamable HTTP MCP server that publishes the tools of a suite and answers with what was recorded.

    server.py FOLDER [--form FORM]

FOLDER holds the recordings of a suite. It prints its URL and serves until it is killed. Which run is played is
told beside MCP: `POST /play` takes its calls as `[{"tool", "arguments", "text", "structure", "error"}]`, and
`GET /reached` says which calls have come since. A call is answered by the next recorded one of the same tool and
arguments; one that this run does not hold by the honest recordings, else by an error.

FORM is that of results: `recorded` (as text for people and as a structure), `text-only`, `json-only` (the structure
as a text of JSON) or `items` (the structure, and a text of JSON for each item of a list).
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


FORMS = ("recorded", "text-only", "json-only", "items")


class Player:
    """What is answered to which call."""

    def __init__(self, suite, form):
        self.tools = [types.Tool.model_validate(tool) for tool in suite.tools]
        self.form = form
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
        texts = self.texts(answer["text"], structure)
        if self.form in ("text-only", "json-only"):
            return types.CallToolResult(content=texts)
        wrapped = structure if isinstance(structure, dict) else {"result": structure}
        return types.CallToolResult(content=texts, structured_content=wrapped)

    def texts(self, recorded, structure):
        if self.form == "json-only":
            return [text(json.dumps(structure, indent=2))]
        if self.form == "items" and isinstance(structure, list):
            return [text(json.dumps(item)) for item in structure]
        return [text(recorded)]


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
    parser.add_argument("--form", choices=FORMS, default=FORMS[0])
    given = parser.parse_args()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        app = application(Player(read(given.folder), given.form))
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listener])


if __name__ == "__main__":
    main()
