#!/usr/bin/env python3
"""An issuer of OpenID Connect tokens, as far as those who only verify them see it, and one that misbehaves
on demand. Keys, sets and signatures are joserfc's.

    issuer.py [--certificate FILE --key FILE] [--bearer TOKEN]

Prints the URL of the issuer, then that of its control, which takes JSON objects by POST:

    {"sign": CLAIMS, "header": MEMBERS, "rotate": true}    a token with these claims, under a new key if so
    {"publish": [JWK, …]}             further keys in its set
    {"metadata": MEMBERS}             what its metadata says instead
    {"oauth": true}                   its metadata is where RFC 8414 has it, and nowhere else
    {"keys": DOCUMENT}                what its set says instead
    {"answer": {"status": N, "location": URL}}   how everything is answered instead; {} for as usual
    {}                                nothing; the answer always says how often each path was asked for
"""

import argparse
import json
import ssl
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jwt
from joserfc.jwk import RSAKey


def new_key(number):
    return RSAKey.generate_key(2048, {"kid": f"rsa-{number}", "use": "sig"})


class Issuer:
    def __init__(self, bearer):
        self.bearer = bearer
        self.url = None
        self.signers = [new_key(0)]
        self.published = []
        self.metadata = {}
        self.place = "/.well-known/openid-configuration"
        self.keys = None
        self.answer = {}
        self.seen = Counter()

    def control(self, wanted):
        said = {}
        if wanted.get("rotate"):
            self.signers = [new_key(len(self.signers) + int(self.signers[-1].kid.removeprefix("rsa-")))]
        if "sign" in wanted:
            header = {"typ": "JWT", "alg": "RS256", "kid": self.signers[-1].kid} | wanted.get("header", {})
            said["token"] = jwt.encode(header, wanted["sign"], self.signers[-1], algorithms=["RS256", "PS256"])
        self.published = wanted.get("publish", self.published)
        self.metadata = wanted.get("metadata", self.metadata)
        if wanted.get("oauth"):
            self.place = "/.well-known/oauth-authorization-server"
        self.keys = wanted.get("keys", self.keys)
        self.answer = wanted.get("answer", self.answer)
        return said | {"seen": dict(self.seen), "public": [key.as_dict(private=False) for key in self.signers]}

    def document(self, path):
        if path == self.place:
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", "response_types_supported": ["id_token"]} | self.metadata
        if path == "/keys":
            own = [key.as_dict(private=False) for key in self.signers]
            return self.keys if self.keys is not None else {"keys": own + self.published}
        return None


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def reply(self, status, document, headers=()):
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Public(Handler):
    def do_GET(self):
        issuer = self.server.issuer
        issuer.seen[self.path] += 1
        if issuer.answer:
            location = issuer.answer.get("location")
            return self.reply(issuer.answer["status"], {}, [("Location", location)] if location else ())
        if issuer.bearer and self.headers.get("Authorization") != f"Bearer {issuer.bearer}":
            return self.reply(401, {})
        document = issuer.document(self.path)
        return self.reply(404, {}) if document is None else self.reply(200, document)


class Control(Handler):
    def do_POST(self):
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.reply(200, self.server.issuer.control(wanted))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--bearer")
    options = parser.parse_args()
    issuer = Issuer(options.bearer)
    public = ThreadingHTTPServer(("127.0.0.1", 0), Public)
    control = ThreadingHTTPServer(("127.0.0.1", 0), Control)
    scheme = "http"
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
        public.socket = context.wrap_socket(public.socket, server_side=True)
        scheme = "https"
    issuer.url = f"{scheme}://127.0.0.1:{public.server_port}"
    public.issuer = control.issuer = issuer
    print(issuer.url, flush=True)
    print(f"http://127.0.0.1:{control.server_port}", flush=True)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    public.serve_forever()


if __name__ == "__main__":
    main()
