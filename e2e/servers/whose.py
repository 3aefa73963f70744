#!/usr/bin/env python3
"""A fastmcp server that lets in whoever has a token of an authorization server (`authorization.py`).

    whose.py ISSUER

Prints its address. `read_whose` answers with whose token it was called with and what scope that has; `erase`
wants the scope `delete`.
"""

import socket
import sys

import httpx
from fastmcp import FastMCP
from fastmcp.server.auth import AccessToken, TokenVerifier
from fastmcp.server.dependencies import get_access_token

ISSUER = sys.argv[1]


class Asking(TokenVerifier):
    """Asks the API of the authorization server whose a token is."""

    async def verify_token(self, token):
        async with httpx.AsyncClient() as http:
            answer = await http.get(f"{ISSUER}/api", headers={"Authorization": f"Bearer {token}"})
        if answer.status_code != 200:
            return None
        said = answer.json()
        return AccessToken(token=token, client_id=said["whose"], scopes=said["scope"].split())


server = FastMCP("whose", version="1.0.0", auth=Asking())


@server.tool(annotations={"readOnlyHint": True, "openWorldHint": False})
def read_whose() -> str:
    """Says whose token this was called with."""
    token = get_access_token()
    return f"{token.client_id}: {' '.join(token.scopes)}"


@server.tool(annotations={"readOnlyHint": False, "destructiveHint": True, "openWorldHint": False})
def erase() -> str:
    """Erases, for whoever may."""
    token = get_access_token()
    return f"erased by {token.client_id}" if "delete" in token.scopes else "not allowed"


if __name__ == "__main__":
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    print(f"http://127.0.0.1:{port}/mcp", flush=True)
    server.run(transport="http", host="127.0.0.1", port=port, show_banner=False, log_level="critical")
