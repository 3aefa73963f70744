#!/usr/bin/env python3
"""Serves client ID metadata documents over TLS: a good one, and each way to be none.

    documents.py CERTIFICATE KEY JOURNAL JWKS

Prints its origin first. Every request is appended to JOURNAL, one path a line. JWKS has the public keys of the
clients that sign.
"""

import json
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Documents(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def about(self, **change):
        address = f"{self.server.origin}{self.path}"
        about = {
            "client_id": address,
            "client_name": "An app from elsewhere",
            "redirect_uris": ["http://127.0.0.1/callback", "vscode://elsewhere/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
        return json.dumps({**about, **change}).encode()

    def signing(self, **keys):
        return self.about(token_endpoint_auth_method="private_key_jwt", **keys)

    def answer(self, body, status=200, kind="application/json", location=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with self.server.journal.open("a") as journal:
            journal.write(f"{self.path}\n")
        match self.path:
            case "/client.json" | "/pattern/client.json":
                self.answer(self.about())
            case "/other.json":
                self.answer(self.about(client_id=f"{self.server.origin}/client.json"))
            case "/signing.json":
                self.answer(self.signing(jwks_uri=f"{self.server.origin}/keys.json"))
            case "/inline.json":
                self.answer(self.signing(jwks=json.loads(self.server.keys)))
            case "/foreign.json":
                self.answer(self.signing(jwks_uri="https://localhost/keys.json"))
            case "/keyless.json":
                self.answer(self.signing(jwks_uri=f"{self.server.origin}/none.json"))
            case "/keys.json":
                self.answer(self.server.keys)
            case "/secret.json":
                self.answer(self.about(client_secret="x"))
            case "/redirect.json":
                self.answer(b"", 302, location=f"{self.server.origin}/client.json")
            case "/large.json":
                self.answer(self.about(padding="x" * 100_000))
            case "/slow.json":
                time.sleep(30)
            case "/page.json":
                self.answer(self.about(), kind="text/html")
            case "/broken.json":
                self.answer(b"{")
            case _:
                self.answer(b"", 404)


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Documents)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.origin = f"https://127.0.0.1:{server.server_address[1]}"
    server.journal, server.keys = Path(sys.argv[3]), Path(sys.argv[4]).read_bytes()
    print(server.origin, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
