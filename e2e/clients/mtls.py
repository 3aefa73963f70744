"""A workload in Python that has nothing but its X.509-SVID: fetches it, asks for a grant, makes one call.

    mtls.py SOCKET ISSUER TRUSTED TOOL ARGUMENTS

TRUSTED is a file with the server's certificate (PEM), ARGUMENTS a JSON object. Prints the result as JSON.
Run it in the folder of the socket and name that without a path, as workload.py.
"""

import json
import ssl
import sys
import tempfile
from pathlib import Path

import anyio
import httpx2
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from spiffe import WorkloadApiClient


def context(svid, trusted):
    """TLS that trusts that server and shows the SVID; Python takes both from files only."""
    tls = ssl.create_default_context(cafile=trusted)
    with tempfile.TemporaryDirectory() as folder:  # only its owner gets in
        chain, key = Path(folder, "svid.pem"), Path(folder, "svid.key")
        chain.write_bytes(b"".join(it.public_bytes(Encoding.PEM) for it in svid.cert_chain))
        key.write_bytes(svid.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        tls.load_cert_chain(chain, key)
    return tls


async def main(socket, issuer, trusted, tool, arguments):
    svid = WorkloadApiClient("unix:" + socket).fetch_x509_context().default_svid
    async with httpx2.AsyncClient(verify=context(svid, trusted)) as http:
        form = {"grant_type": "client_credentials", "client_id": str(svid.spiffe_id)}
        granted = (await http.post(issuer + "/oauth/token", data=form)).json()
        http.headers["Authorization"] = "Bearer " + granted["access_token"]
        async with Client(streamable_http_client(issuer + "/mcp", http_client=http)) as client:
            result = await client.call_tool(tool, json.loads(arguments))
    print(result.model_dump_json(by_alias=True, exclude_none=True))


anyio.run(main, *sys.argv[1:])
