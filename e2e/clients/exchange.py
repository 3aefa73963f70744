"""Exchanges a grant for one of a child task (RFC 8693), with Authlib as the OAuth client.

Arguments: issuer, client id, file of its private key, subject token, further parameters as JSON.
Prints the answer as JSON; a refusal as {"error": …, "error_description": …}.
"""

import json
import pathlib
import sys
import time

from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

issuer, client_id, key, subject, more = sys.argv[1:]
endpoint = f"{issuer}/oauth/token"
# Left to itself, Authlib names the endpoint as audience and lets an assertion live an hour.
claims = {"aud": issuer, "exp": int(time.time()) + 60}
client = OAuth2Client(
    client_id,
    ECKey.import_key(pathlib.Path(key).read_text()),
    token_endpoint_auth_method=PrivateKeyJWT(endpoint, claims=claims, alg="ES256"),
)
asked = {
    "subject_token": subject,
    "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
} | json.loads(more)
try:
    token = client.fetch_token(
        endpoint,
        grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
        **asked,
    )
except OAuthError as why:
    token = {"error": why.error, "error_description": why.description}
print(json.dumps(token))
