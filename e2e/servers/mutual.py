#!/usr/bin/env python3
"""A Streamable HTTP MCP server over mutual TLS (OpenSSL's), which takes whoever shows a certificate of its bundle.

    mutual.py ERA FOLDER JOURNAL.jsonl [ELSEWHERE]

ERA is `stateless` (2026-07-28) or `sessions` (2025-11-25). FOLDER holds `own.pem` and `own.key`, what it shows itself,
and `bundle.pem`, what it believes; they are read when they change, and until they are there nobody gets in. It
prints its address and serves until it is killed. The JOURNAL gets a line for each connection that is tried (`tried`),
is believed (`open`, with the SPIFFE ID that was shown and whether a session was taken up again), has ended (`closed`), and
for each request on it (`asked`, with the task that the call says it is of).
Tools: `read_who` answers with the SPIFFE ID that its connection showed; `read_moved` with a redirect to ELSEWHERE;
`read_long` does not answer.
"""

import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ERA, FOLDER, JOURNAL = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
ELSEWHERE = sys.argv[4] if len(sys.argv) > 4 else "https://127.0.0.1:9/"
FILES = [FOLDER / name for name in ("own.pem", "own.key", "bundle.pem")]
META = "io.modelcontextprotocol/"
TOOLS = [
    {"name": name, "description": "Reads.", "inputSchema": {"type": "object", "properties": {}},
     "annotations": {"readOnlyHint": True, "openWorldHint": False}}
    for name in ("read_who", "read_moved", "read_long")
]
lock = threading.Lock()


def note(connection, did, **more):
    with lock, JOURNAL.open("a") as file:
        file.write(json.dumps({"connection": connection, "did": did, **more}) + "\n")


class Context:
    """One for all connections, as long as the files stay: so that sessions could be taken up again."""

    def __init__(self):
        self.of, self.context = None, None

    def now(self):
        with lock:
            of = [file.stat().st_mtime_ns for file in FILES]
            if of != self.of:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_cert_chain(FILES[0], FILES[1])
                context.load_verify_locations(FILES[2])
                self.of, self.context = of, context
            return self.context


class Server(ThreadingHTTPServer):
    daemon_threads = True
    context, connections = Context(), 0

    def process_request(self, request, client):
        self.connections += 1
        number = self.connections
        threading.Thread(target=self.serve_one, args=(request, client, number), daemon=True).start()

    def serve_one(self, request, client, number):
        note(number, "tried")
        try:
            request = self.context.now().wrap_socket(request, server_side=True)
            names = request.getpeercert()["subjectAltName"]
        except (OSError, ssl.SSLError):
            return self.shutdown_request(request)
        who = next(name for kind, name in names if kind == "URI")
        note(number, "open", who=who, resumed=request.session_reused)
        try:
            Mutual(request, client, self, number, who)
        except OSError:
            pass
        note(number, "closed", who=who)
        self.shutdown_request(request)


class Mutual(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, request, client, server, number, who):
        self.number, self.who = number, who
        super().__init__(request, client, server)

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", more=()):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in more:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def hang(self):
        """Until the other end hangs up."""
        self.close_connection = True
        self.request.settimeout(60)
        while self.request.recv(1024):
            pass

    def do_GET(self):
        note(self.number, "asked", what="stream", who=self.who)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.hang()

    def do_DELETE(self):
        note(self.number, "asked", what="end", who=self.who)
        self.reply(200)

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        method, params = message["method"], message.get("params") or {}
        tool = params.get("name")
        note(self.number, "asked", what=tool or method, who=self.who, task=params.get("arguments", {}).get("task"))
        if "id" not in message:
            return self.reply(202)
        if tool == "read_moved":
            return self.reply(307, more=[("Location", ELSEWHERE)])
        if tool == "read_long":
            return self.hang()
        result = self.result(method, tool)
        answer = {"jsonrpc": "2.0", "id": message["id"], **result}
        known = "result" in result
        more = [("Mcp-Session-Id", "one")] if method == "initialize" and known else []
        return self.reply(200 if known else 404, json.dumps(answer).encode(), more)

    def result(self, method, tool):
        about = {"name": "mutual", "version": "1"}
        complete = {"resultType": "complete"} if ERA == "stateless" else {}
        if method == "server/discover" and ERA == "stateless":
            return {"result": {**complete, "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                               "serverInfo": about, "ttlMs": 0, "cacheScope": "private"}}
        if method == "initialize" and ERA == "sessions":
            return {"result": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": about}}
        if method == "tools/list":
            return {"result": {**complete, "tools": TOOLS, **({"ttlMs": 0, "cacheScope": "private"} if complete else {})}}
        if method == "tools/call" and tool == "read_who":
            return {"result": {**complete, "content": [{"type": "text", "text": self.who}]}}
        return {"error": {"code": -32601, "message": f"unknown method {method}"}}


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Mutual)
    print(f"https://127.0.0.1:{server.server_port}/mcp", flush=True)
    server.serve_forever()
