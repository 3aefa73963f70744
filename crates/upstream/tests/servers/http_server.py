#!/usr/bin/env python3
"""A Streamable HTTP tool server that does whatever a test asks for, written without any SDK.

    http_server.py ERA LOG

Prints its port. ERA is `sessions`, `stateless`, `both`, or `reluctant`: stateless, and refusing the
first question. Every POST is appended to LOG as one JSON line with its headers and body. The tool's
name says how it behaves.
"""
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ERA, LOG = sys.argv[1], sys.argv[2]
META = "io.modelcontextprotocol/"
SESSION = "session-1"
lock = threading.Lock()
elicited = threading.Event()
elicitation = {}
called = threading.Event()
asked = threading.Event()
resumable = {}

TOOLS = [
    {"name": "echo", "inputSchema": {"type": "object", "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"}}}},
    {"name": "bad_header", "inputSchema": {"type": "object", "properties": {
        "n": {"type": "number", "x-mcp-header": "N"}}}},
    {"name": "stream", "inputSchema": {"type": "object"}},
]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", kind="application/json", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def result(self, message, value, **headers):
        if ERA != "sessions":
            value = {"resultType": "complete", **value}
        self.reply(200, json.dumps({"jsonrpc": "2.0", "id": message["id"],
                                    "result": value}).encode(), **headers)

    def error(self, message, status, code, words):
        self.reply(status, json.dumps({"jsonrpc": "2.0", "id": message.get("id"),
                                       "error": {"code": code, "message": words}}).encode())

    def start_events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def event(self, message):
        self.wfile.write(f": hi\r\nevent: message\ndata: {json.dumps(message)}\n\n".encode())
        self.wfile.flush()

    def do_GET(self):
        self.note("GET", None)
        if self.headers.get("Last-Event-ID") == "cut-1":
            self.start_events()
            self.event({"jsonrpc": "2.0", "id": resumable["id"],
                        "result": {"content": [{"type": "text", "text": "the rest"}]}})
        elif ERA != "stateless" and self.headers.get("Mcp-Session-Id"):
            self.start_events()
            self.event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
            if self.headers.get("Last-Event-ID") is None and called.wait(30):
                self.event({"jsonrpc": "2.0", "id": resumable["id"],
                            "result": {"content": [{"type": "text", "text": "over here"}]}})
            time.sleep(30)
        else:
            self.reply(405)

    def do_DELETE(self):
        self.note("DELETE", None)
        self.reply(200)

    def note(self, verb, body):
        with lock, open(LOG, "a", encoding="utf-8") as log:
            log.write(json.dumps({"verb": verb, "body": body,
                                  "headers": {k.lower(): v for k, v in self.headers.items()}}))
            log.write("\n")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = json.loads(body)
        self.note("POST", message)
        method = message.get("method")
        modern = META + "protocolVersion" in message.get("params", {}).get("_meta", {})
        if ERA == "stateless" or ERA != "sessions" and modern:
            self.stateless(message, method)
        else:
            self.sessions(message, method)

    def stateless(self, message, method):
        if self.headers.get("Mcp-Method") != method:
            self.error(message, 400, -32020, "header mismatch")
        elif method == "server/discover" and ERA == "reluctant" and not asked.is_set():
            asked.set()
            self.reply(400, json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": {
                "code": -32022, "message": "not this one",
                "data": {"supported": ["2026-07-28"], "requested": "2026-07-28"}}}).encode())
        elif method == "server/discover":
            versions = ["2026-07-28", "2025-11-25"] if ERA == "both" else ["2026-07-28"]
            self.result(message, {"supportedVersions": versions,
                                  "capabilities": {"tools": {"listChanged": True}},
                                  "ttlMs": 0, "cacheScope": "private"})
        elif method == "subscriptions/listen":
            self.start_events()
            self.event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed",
                        "params": {"_meta": {META + "subscriptionId": message["id"]}}})
            time.sleep(30)
        elif method == "tools/list":
            self.result(message, {"tools": TOOLS, "ttlMs": 0, "cacheScope": "private"})
        elif method == "tools/call":
            self.call(message)
        else:
            self.error(message, 404, -32601, "no such method")

    def sessions(self, message, method):
        if method == "initialize":
            self.result(message, {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                                  "serverInfo": {"name": "h", "version": "1"}},
                        Mcp_Session_Id=SESSION)
        elif self.headers.get("Mcp-Session-Id") != SESSION:
            self.error(message, 400, -32000, "Bad Request: No valid session ID provided")
        elif method is None:
            elicitation["answer"] = message
            elicited.set()
            self.reply(202)
        elif "id" not in message:
            self.reply(202)
        elif method == "tools/list":
            self.result(message, {"tools": TOOLS})
        else:
            self.call(message)

    def call(self, message):
        name = message["params"]["name"]
        token = message["params"].get("_meta", {}).get("progressToken")
        if name == "echo":
            self.result(message, {"content": [{"type": "text", "text": "ok"}]})
        elif name == "stream":
            self.start_events()
            self.event({"jsonrpc": "2.0", "method": "notifications/progress",
                        "params": {"progressToken": token, "progress": 1}})
            if ERA == "sessions":
                self.event({"jsonrpc": "2.0", "id": "e1", "method": "elicitation/create",
                            "params": {"message": "sure?"}})
                elicited.wait(10)
            self.event({"jsonrpc": "2.0", "id": message["id"], "result": {
                "content": [{"type": "text", "text": json.dumps(elicitation)}]}})
        elif name == "cut":
            self.start_events()
            self.event({"jsonrpc": "2.0", "method": "notifications/progress",
                        "params": {"progressToken": token, "progress": 1}})
        elif name == "let_go":
            resumable["id"] = message["id"]
            self.start_events()
            self.wfile.write(b"id: cut-1\ndata:\n\n")
        elif name == "elsewhere":
            resumable["id"] = message["id"]
            self.start_events()
            self.wfile.write(b"id: cut-2\ndata:\n\n")
            called.set()
        elif name == "hang_up":
            self.close_connection = True
            self.connection.close()
        elif name == "html":
            self.reply(200, b"<h1>hello</h1>", kind="text/html")
        elif name == "not_json":
            self.reply(200, b"{hello")
        elif name == "other_id":
            message["id"] += 7
            self.result(message, {"content": []})
        elif name == "flood":
            self.result(message, {"content": [{"type": "text", "text": "x" * (1 << 20)}]})
        elif name == "unauthorized":
            self.reply(401, b"who are you")
        elif name == "broken":
            self.reply(503, b"later")
        elif name == "expire":
            self.reply(404, b"")
        elif name == "redirect":
            self.reply(307, b"", Location="http://127.0.0.1:9/")
        elif name == "slow":
            time.sleep(30)
            self.result(message, {"content": []})


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
