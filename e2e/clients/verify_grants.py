"""Verifies grants by nothing but the published keys, with PyJWT and with joserfc.

Arguments: URL of the key set, audience, grants. Prints the `kid` of each grant, as JSON.
"""

import json
import sys
import urllib.request

import jwt
from joserfc import jwt as jose
from joserfc.jwk import KeySet

url, audience, *grants = sys.argv[1:]
client = jwt.PyJWKClient(url)
with urllib.request.urlopen(url) as answer:
    keys = KeySet.import_key_set(json.load(answer))
for grant in grants:
    key = client.get_signing_key_from_jwt(grant).key
    claims = jwt.decode(grant, key, algorithms=["ES256"], audience=audience)
    assert claims == jose.decode(grant, keys, algorithms=["ES256"]).claims
print(json.dumps([jwt.get_unverified_header(grant)["kid"] for grant in grants]))
