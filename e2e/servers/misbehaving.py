#!/usr/bin/env python3
"""An MCP server (2025-11-25) that does what no server should. Each tool is one way to misbehave.

    misbehaving.py [--start HOW] [--journal FILE] --stdio
    misbehaving.py [--start HOW] [--journal FILE] --port 0      Streamable HTTP at /mcp; prints its URL

Every `tools/call` that arrives is appended to the journal before anything else is done about it. HOW is one
way to misbehave before any tool is called: exit, silent, not-json, other-version, many-tools, huge-tool.
"""

import argparse
import itertools
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MESSAGE = 4 << 20
"""Bytes of a message that is too large for the tests' bound of 1 MiB."""
FLOOD = 5_000
"""Notifications of a flood that ends."""
ENDLESS = 6
"""Seconds of a flood that does not end before the tests' calls do; after it others need the processor."""

OUTPUT = threading.Lock()
WAYS = {}


def way(function):
    WAYS[function.__name__] = function
    return function


def reply(request, text="ok", **members):
    result = {"content": [{"type": "text", "text": text}]}
    return {"jsonrpc": "2.0", "id": request["id"], "result": result, **members}


def note(n):
    params = {"level": "info", "data": f"message {n} " + "x" * 200}
    return {"jsonrpc": "2.0", "method": "notifications/message", "params": params}


def batched(messages, size=100):
    messages = iter(messages)
    while some := list(itertools.islice(messages, size)):
        yield some


def endless():
    end = time.monotonic() + ENDLESS
    n = 0
    while time.monotonic() < end:
        yield n
        n += 1


# --- the ways; `out` writes messages, raw bytes, or a whole HTTP answer ---


@way
def read_well(request, out):
    out.message(reply(request))


@way
def read_late(request, out):
    time.sleep(1)
    out.message(reply(request))


@way
def read_dribble(request, out):
    for byte in out.framed(reply(request)):
        out.raw(bytes([byte]))
        time.sleep(0.002)


@way
def read_never(_request, _out):
    time.sleep(3600)


@way
def read_die(_request, _out):
    os._exit(1)


@way
def read_die_in_the_answer(request, out):
    answer = out.framed(reply(request))
    out.raw(answer[: len(answer) // 2])
    os._exit(1)


@way
def read_wrong_id(request, out):
    out.message(reply(request, id=request["id"] + 1000))


@way
def read_wrong_jsonrpc(request, out):
    out.message(reply(request, jsonrpc="1.0"))


@way
def read_both(request, out):
    out.message(reply(request, error={"code": -32000, "message": "and an error"}))


@way
def read_no_object(request, out):
    out.message(reply(request, result=[1, 2]))


@way
def read_not_json(_request, out):
    out.line("this is no JSON")


@way
def read_twice(request, out):
    out.messages([reply(request, "first"), reply(request, "second")])


@way
def read_unasked(request, out):
    others = [reply(request, "unasked", id=n) for n in (999_999, 0, "a")]
    out.messages([*others, reply(request)])


@way
def read_flood(request, out):
    out.messages([*(note(n) for n in range(FLOOD)), reply(request)])


@way
def read_gigantic(request, out):
    out.message(reply(request, "x" * MESSAGE))


@way
def read_endless(_request, out):
    out.messages(note(n) for n in endless())


@way
def read_endless_line(_request, out):
    for _ in endless():
        out.raw(b"x" * 65536)
    out.raw(b"\n")


@way
def read_endless_headers(request, out):
    out.headers_without_end(request)


@way
def read_redirect(request, out):
    out.status(302, request)


@way
def read_broken(request, out):
    out.status(500, request)


# --- what every way has in common ---


def tool(name):
    schema = {"type": "object", "properties": {}}
    hints = {"readOnlyHint": True, "openWorldHint": False}
    return {"name": name, "description": "Reads something.", "inputSchema": schema, "annotations": hints}


def tools(how):
    if how == "many-tools":
        return [tool(f"read_{n}") for n in range(5000)]
    if how == "huge-tool":
        return [tool("read_well"), {**tool("read_huge"), "description": "x" * 100_000}]
    return [tool(name) for name in WAYS]


def answer(request, given, out):
    match request["method"]:
        case "initialize":
            version = "1999-01-01" if given.start == "other-version" else "2025-11-25"
            about = {"protocolVersion": version, "capabilities": {"tools": {}, "logging": {}}}
            out.message(reply(request, result={**about, "serverInfo": {"name": "misbehaving", "version": "1"}}))
        case "ping":
            out.message(reply(request, result={}))
        case "tools/list":
            out.message(reply(request, result={"tools": tools(given.start)}))
        case "tools/call":
            name = request["params"]["name"]
            if given.journal:
                with OUTPUT, given.journal.open("a") as file:
                    file.write(json.dumps({"name": name, "pid": os.getpid()}) + "\n")
            WAYS[name](request, out)
        case other:
            error = {"code": -32601, "message": f"method not found: {other}"}
            out.message({"jsonrpc": "2.0", "id": request["id"], "error": error})


class Lines:
    """Standard output."""

    def framed(self, message):
        return (json.dumps(message) + "\n").encode()

    def raw(self, data):
        # Bytes of two answers must not mix; a way that writes in pieces is called alone.
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def line(self, text):
        self.raw(text.encode() + b"\n")

    def message(self, message):
        with OUTPUT:
            self.raw(self.framed(message))

    def messages(self, messages):
        for some in batched(messages):
            with OUTPUT:
                self.raw(b"".join(map(self.framed, some)))

    def headers_without_end(self, _request):
        raise SystemExit("a pipe has no headers")

    def status(self, _status, _request):
        raise SystemExit("a pipe has no status")


class Http(BaseHTTPRequestHandler):
    """One request over HTTP; the answer is written where and how the way says."""

    protocol_version = "HTTP/1.1"
    given = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(405)

    do_DELETE = do_GET

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.close_connection = True
        try:
            if "id" in request and "method" in request:
                answer(request, self.given, self)
            else:
                self.raw(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except OSError:
            pass  # the other side gave up, which is what most ways are for

    def framed(self, message):
        return self.body(json.dumps(message))

    def body(self, text):
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\nConnection: close"
        return f"{head}\r\n\r\n{text}".encode()

    def raw(self, data):
        self.wfile.write(data)
        self.wfile.flush()

    def line(self, text):
        self.raw(self.body(text))

    def message(self, message):
        self.raw(self.framed(message))

    def messages(self, messages):
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for some in batched(messages):
            self.raw("".join(f"data: {json.dumps(message)}\n\n" for message in some).encode())

    def headers_without_end(self, _request):
        self.raw(b"HTTP/1.1 200 OK\r\n")
        for _ in endless():
            self.raw(b"X-More: " + b"x" * 1000 + b"\r\n")

    def status(self, status, _request):
        self.raw(f"HTTP/1.1 {status} No\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


def over_stdio(given):
    out = Lines()
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request and "method" in request:
            threading.Thread(target=answer, args=(request, given, out), daemon=True).start()


def over_http(given):
    Http.given = given
    server = ThreadingHTTPServer(("127.0.0.1", given.port), Http)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_address[1]}/mcp", flush=True)
    server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", type=int)
    where.add_argument("--stdio", action="store_true")
    parser.add_argument("--journal", type=Path)
    parser.add_argument("--start", choices=["exit", "silent", "not-json", "other-version", "many-tools", "huge-tool"])
    given = parser.parse_args()
    if given.start == "exit":
        sys.exit("this server does not start")
    if given.start == "silent":
        time.sleep(3600)
    if given.start == "not-json":
        print("Listening…\nthis is no JSON", flush=True)
        time.sleep(3600)
    over_stdio(given) if given.stdio else over_http(given)


if __name__ == "__main__":
    main()
