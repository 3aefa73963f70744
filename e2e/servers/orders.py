#!/usr/bin/env python3
"""A stdio MCP server (2025-11-25) on a PostgreSQL database, which it reaches at DATABASE_URL.

`read_orders` answers with what is in the table, as the role that it is; `read_slowly` begins a session that lasts and
answers at once; `read_customers` asks for what only some may see. Errors of the database are told as they are.
"""

import json
import os
import subprocess
import sys

NAMES = ("read_orders", "read_slowly", "read_customers")
TOOLS = [
    {"name": name, "description": "Reads.", "inputSchema": {"type": "object", "properties": {}},
     "annotations": {"readOnlyHint": True, "openWorldHint": False}}
    for name in NAMES
]


def psql(statement):
    words = ["psql", os.environ["DATABASE_URL"], "-X", "-A", "-t", "-c", statement]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def call(name):
    if name == "read_slowly":
        psql("SELECT pg_sleep(600)")
        return "begun"
    table = "customers" if name == "read_customers" else "orders"
    return psql(f"SELECT current_user, t.* FROM {table} t").communicate()[0]


def answer(method, params):
    if method == "initialize":
        about = {"name": "orders", "version": "1"}
        return {"result": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": about}}
    if method == "tools/list":
        return {"result": {"tools": TOOLS}}
    if method == "tools/call":
        return {"result": {"content": [{"type": "text", "text": call(params["name"])}]}}
    return {"error": {"code": -32601, "message": f"unknown method {method}"}}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        reply = {"jsonrpc": "2.0", "id": message["id"], **answer(message["method"], message.get("params") or {})}
        print(json.dumps(reply), flush=True)
