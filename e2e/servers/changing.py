#!/usr/bin/env python3
"""A stdio MCP server (2025-11-25) whose tools come from a JSON file that may change while it runs.

    changing.py TOOLS.json [JOURNAL.jsonl]

TOOLS.json holds {"tools": [{"name": …, "description": …, "inputSchema": …, "annotations": …, "answer": "text"}]};
a tool may also have "delay_ms", "die": true to end the process in the middle of the call, or "ask" with a
message that its client is asked about, whose answer is the tool's.
Every change of its content sends `notifications/tools/list_changed`, unless it says "announce": false. With a JOURNAL, each `tools/call` that
arrives is appended to it before it is answered, so that a test can tell what really reached the server.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

OUTPUT = threading.Lock()
OURS = ("answer", "ask", "delay_ms", "die")


def send(message):
    with OUTPUT:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def load(path):
    return json.loads(path.read_text())["tools"]


def watch(path, seen):
    while True:
        time.sleep(0.05)
        try:
            text = path.read_text()
            announce = json.loads(text).get("announce", True)
        except (OSError, ValueError):
            continue
        if text == seen:
            continue
        seen = text
        if announce:
            send({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})


def journal(path, params):
    with path.open("a") as file:
        file.write(json.dumps(params) + "\n")
        file.flush()
        os.fsync(file.fileno())


def call(tools, params, log):
    tool = next((tool for tool in tools if tool["name"] == params["name"]), None)
    if tool is None:
        return {"error": {"code": -32602, "message": f"unknown tool {params['name']}"}}
    if log is not None:
        journal(log, {"name": params["name"], "arguments": params.get("arguments", {}), "pid": os.getpid()})
    time.sleep(tool.get("delay_ms", 0) / 1000)
    if tool.get("die"):
        os._exit(1)
    text = json.dumps(ask(tool["ask"])) if "ask" in tool else tool.get("answer", "ok")
    return {"result": {"content": [{"type": "text", "text": text}]}}


def ask(message):
    """What the client answers; whatever else it says meanwhile is lost."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    params = {"message": message, "requestedSchema": schema}
    send({"jsonrpc": "2.0", "id": "ask", "method": "elicitation/create", "params": params})
    for line in sys.stdin:
        answer = json.loads(line)
        if answer.get("id") == "ask":
            return answer.get("result") or answer["error"]


def answer(request, path, log):
    match request["method"]:
        case "initialize":
            return {
                "result": {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {"listChanged": True}},
                    "serverInfo": {"name": "changing", "version": "1.0.0"},
                }
            }
        case "ping":
            return {"result": {}}
        case "tools/list":
            shown = [{k: v for k, v in tool.items() if k not in OURS} for tool in load(path)]
            return {"result": {"tools": shown}}
        case "tools/call":
            return call(load(path), request["params"], log)
    return {"error": {"code": -32601, "message": f"method not found: {request['method']}"}}


def main():
    path = Path(sys.argv[1])
    log = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    threading.Thread(target=watch, args=(path, path.read_text()), daemon=True).start()
    for line in sys.stdin:
        # Numbers keep their text: the journal must stay JSON, whatever was sent.
        request = json.loads(line, parse_float=str)
        if "id" in request and "method" in request:
            send({"jsonrpc": "2.0", "id": request["id"], **answer(request, path, log)})


if __name__ == "__main__":
    main()
