#!/usr/bin/env python3
"""An OAuth 2.0 authorization server, made of Authlib and Flask, and an API that its tokens open.

    authorization.py --client ID [--secret SECRET | --jwks FILE] --redirect URI… [--trusts ISSUER]

Prints its issuer. Who signs in at `/authorize` is whoever `user` names there. Refresh tokens are good once:
one that is used again takes all with it that came of the same consent. `--trusts` names an identity
provider, another of these, whose ID-JAGs it takes. The API is `/api`; its answer says whose token came with
what scope. `/denied/authorize` is the same page with a person who says no.
"""

import argparse
import json
import os
import pathlib
import re
import secrets
import threading
import time
import urllib.request

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.drafts import IDJAGGrant
from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    BaseGrant,
    ClientMixin,
    InvalidGrantError,
    TokenEndpointMixin,
    TokenMixin,
    grants,
)
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, jsonify, request
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from werkzeug.serving import WSGIRequestHandler, make_server

METHODS = ["client_secret_basic", "client_secret_post", "client_assertion_jwt", "none"]
OF = "urn:ietf:params:oauth:token-type:"
SCOPES = {"openid", "offline_access", "read", "write", "delete"}


class Client(ClientMixin):
    def __init__(self, options):
        self.client_id, self.secret, self.redirects = options.client, options.secret, options.redirect
        self.keys = KeySet.import_key_set(json.loads(pathlib.Path(options.jwks).read_text())) if options.jwks else None

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return " ".join(it for it in (scope or "").split() if it in SCOPES)

    def check_redirect_uri(self, uri):
        # On this machine any port will do (RFC 8252 section 7.3).
        return re.sub(r"^http://127\.0\.0\.1:\d+/", "http://127.0.0.1/", uri) in self.redirects

    def check_client_secret(self, secret):
        return bool(self.secret) and secrets.compare_digest(secret, self.secret)

    def check_endpoint_auth_method(self, method, endpoint):
        if method in ("client_secret_basic", "client_secret_post"):
            return bool(self.secret)
        return method == ("client_assertion_jwt" if self.keys else "none")

    def check_response_type(self, kind):
        return kind == "code"

    def check_grant_type(self, kind):
        return True


class Code(AuthorizationCodeMixin):
    def __init__(self, code, asked):
        self.code, self.user, self.scope = code, asked.user, asked.scope
        self.redirect_uri = asked.payload.redirect_uri
        self.code_challenge = asked.payload.data.get("code_challenge")
        self.code_challenge_method = asked.payload.data.get("code_challenge_method")

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return None

    get_auth_time = get_acr = get_amr = get_nonce


class Token(TokenMixin):
    def __init__(self, token, user, family):
        self.token, self.user, self.family = token, user, family
        self.until = time.time() + token["expires_in"]
        # The two tokens end each by itself.
        self.revoked = self.used = False

    def check_client(self, client):
        return True

    def get_scope(self):
        return self.token.get("scope", "")

    def get_user(self):
        return self.user


class State:
    def __init__(self):
        self.codes, self.tokens, self.jtis, self.seen = {}, [], set(), []
        self.lock = threading.Lock()

    def find(self, member, text):
        return next((it for it in self.tokens if it.token.get(member) == text), None)

    def end(self, family):
        for token in self.tokens:
            token.revoked |= token.family == family
            token.used |= token.family == family


def serve(options):
    app, state, client = Flask(__name__), State(), Client(options)
    key = ECKey.generate_key("P-256", {"kid": "signs", "alg": "ES256", "use": "sig"})
    app.config |= {
        "OAUTH2_REFRESH_TOKEN_GENERATOR": True,
        "OAUTH2_TOKEN_EXPIRES_IN": dict.fromkeys(
            ["authorization_code", "client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"], 300
        ),
    }

    def save(token, asked):
        if isinstance(token, dict) and token.get("token_type") == "Bearer":
            earlier = asked.refresh_token
            family = earlier.family if isinstance(earlier, Token) else secrets.token_hex(4)
            state.tokens.append(Token(token, asked.user or f"client {asked.client.client_id}", family))

    server = AuthorizationServer(app, lambda it: client if it == client.client_id else None, save)
    issuer = lambda: app.config["ISSUER"]

    class Codes(grants.AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS

        def save_authorization_code(self, code, asked):
            state.codes[code] = Code(code, asked)

        def query_authorization_code(self, code, _):
            return state.codes.get(code)

        def delete_authorization_code(self, code):
            del state.codes[code.code]

        def authenticate_user(self, code):
            return code.user

    class Identity(OpenIDCode):
        def exists_nonce(self, nonce, asked):
            return False

        def get_client_algorithm(self, _):
            return "ES256"

        def get_client_claims(self, _):
            return {"iss": issuer(), "aud": [client.client_id], "exp": int(time.time()) + 300, "iat": int(time.time())}

        def get_compatible_claims(self, asked):
            return self.get_client_claims(asked.client)

        def get_encode_header(self, _):
            return {"alg": "ES256", "kid": "signs"}

        def resolve_client_private_key(self, _):
            return key

        def generate_user_info(self, user, scope):
            return UserInfo(sub=user)

    class Refresh(grants.RefreshTokenGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS
        INCLUDE_NEW_REFRESH_TOKEN = True

        def authenticate_refresh_token(self, text):
            token = state.find("refresh_token", text)
            if token and token.used:
                state.end(token.family)
            return token if token and not token.used else None

        def authenticate_user(self, token):
            return token.user

        def revoke_old_credential(self, token):
            token.used = True

    class Credentials(grants.ClientCredentialsGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS[:3]

    class Exchange(BaseGrant, TokenEndpointMixin):
        """RFC 8693, of which Authlib has no grant: for a token of ours, or for an ID-JAG."""

        GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS

        def validate_token_request(self):
            self.request.client = self.authenticate_token_endpoint_client()
            form = self.request.form
            subject, kind = form.get("subject_token"), form.get("subject_token_type", "").removeprefix(OF)
            if kind == "id_token":
                self.request.user = jwt.decode(subject, key).claims["sub"]
            elif kind == "jwt":
                self.request.user = f"task {subject}"
            elif kind in ("access_token", "refresh_token"):
                found = state.find(kind, subject)
                if not found or (found.used if kind == "refresh_token" else found.revoked):
                    raise InvalidGrantError(f"Not known here: {subject}")
                self.request.user = found.user

        def create_token_response(self):
            form, user = self.request.form, self.request.user
            if form.get("requested_token_type") == f"{OF}id-jag":
                more = {name: form[name] for name in ("scope", "resource") if name in form}
                header = {"alg": "ES256", "kid": "signs"}
                now = int(time.time())
                jag = IDJAGGrant.sign(
                    key, issuer(), form["audience"], user, client.client_id, None, now, now + 300, more, header=header
                )
                token = {"access_token": jag, "token_type": "N_A", "issued_token_type": f"{OF}id-jag", "expires_in": 300}
            else:
                token = self.generate_token(
                    user, self.request.payload.scope, expires_in=300, include_refresh_token=False
                ) | {"issued_token_type": f"{OF}access_token"}
                self.save_token(token)
            return 200, token, self.TOKEN_RESPONSE_HEADER

    class Jag(IDJAGGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS

        def get_audiences(self):
            return [issuer()]

        def resolve_issuer_key(self, of, headers):
            if of != options.trusts:
                raise InvalidGrantError("Nobody trusts that issuer.")
            with urllib.request.urlopen(f"{of}/keys", timeout=10) as answer:
                return KeySet.import_key_set(json.load(answer))

        def authenticate_user(self, subject):
            return subject

        def check_jti(self, claims, jti):
            return jti not in state.jtis and not state.jtis.add(jti)

        def check_id_jag_permission(self, client, user, scopes):
            return True

    class Revocation(RevocationEndpoint):
        CLIENT_AUTH_METHODS = METHODS

        def query_token(self, text, hint):
            return state.find("access_token", text) or state.find("refresh_token", text)

        def revoke_token(self, token, asked):
            if asked.form.get("token_type_hint") == "access_token":
                token.revoked = True
            else:
                state.end(token.family)

    class Assertions(JWTBearerClientAssertion):
        def get_audiences(self):
            return [issuer()]

        def validate_jti(self, claims, jti):
            return jti not in state.jtis and not state.jtis.add(jti)

        def resolve_client_public_key(self, client):
            return client.keys

    class Named(IssuerParameter):
        def get_issuer(self):
            return issuer()

    server.register_client_auth_method("client_assertion_jwt", Assertions())
    server.register_grant(Codes, [CodeChallenge(required=True), Identity()])
    server.register_grant(Refresh, [Identity()])
    for grant in (Credentials, Exchange, Jag):
        server.register_grant(grant)
    server.register_endpoint(Revocation)
    server.register_extension(Named())

    @app.get("/.well-known/oauth-authorization-server")
    def metadata():
        base = issuer()
        return jsonify(
            issuer=base,
            authorization_endpoint=f"{base}/authorize",
            token_endpoint=f"{base}/token",
            revocation_endpoint=f"{base}/revoke",
            code_challenge_methods_supported=["S256"],
            authorization_response_iss_parameter_supported=True,
        )

    @app.get("/.well-known/oauth-protected-resource/api")
    def resource():
        return jsonify(resource=f"{issuer()}/api", authorization_servers=[issuer()])

    @app.get("/keys")
    def keys():
        return jsonify(keys=[key.as_dict(private=False)])

    @app.get("/authorize", defaults={"denied": False})
    @app.get("/denied/authorize", defaults={"denied": True})
    def authorize(denied):
        user = None if denied else request.args["user"]
        try:
            grant = server.get_consent_grant(end_user=user)
        except OAuth2Error as why:
            return why.error, 400
        return server.create_authorization_response(grant_user=user, grant=grant)

    @app.post("/token")
    def token():
        with state.lock:
            state.seen.append(dict(request.form))
            return server.create_token_response()

    @app.post("/revoke")
    def revoke():
        with state.lock:
            return server.create_endpoint_response("revocation")

    @app.get("/seen")
    def seen():
        return jsonify(state.seen)

    @app.get("/tokens")
    def tokens():
        return jsonify([it.token[name] for it in state.tokens for name in ("access_token", "refresh_token") if name in it.token])

    @app.get("/api")
    def api():
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        found = state.find("access_token", shown)
        if not found or found.revoked or found.until < time.time():
            return jsonify(error="invalid_token"), 401
        return jsonify(whose=found.user, scope=found.get_scope())

    class Quiet(WSGIRequestHandler):
        def log(self, *_):
            pass

    http = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    app.config["ISSUER"] = f"http://127.0.0.1:{http.server_port}"
    print(issuer(), flush=True)
    http.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", required=True)
    parser.add_argument("--secret")
    parser.add_argument("--jwks")
    parser.add_argument("--redirect", action="append", default=[])
    parser.add_argument("--trusts")
    serve(parser.parse_args())


if __name__ == "__main__":
    main()
