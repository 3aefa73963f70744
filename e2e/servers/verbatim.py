#!/usr/bin/env python3
"""A stdio MCP server (2025-11-25) that says what it is told to, byte for byte, however wrong.

    verbatim.py TOOLS

TOOLS is a file with what stands between `"tools":[` and `]` in its answer to `tools/list`. Its one tool takes
base64 in the argument `bytes` and writes those bytes and a line break instead of an answer, with ID replaced by
the id of the call.
"""

import base64
import json
import sys
from pathlib import Path

HELLO = (
    '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},'
    '"serverInfo":{"name":"verbatim","version":"1.0.0"}}'
)


def main():
    tools = Path(sys.argv[1]).read_bytes()
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request or "method" not in request:
            continue
        number = json.dumps(request["id"]).encode()
        match request["method"]:
            case "initialize":
                result = HELLO.encode()
            case "tools/list":
                result = b'{"tools":[' + tools + b"]}"
            case "tools/call":
                said = base64.b64decode(request["params"]["arguments"]["bytes"])
                sys.stdout.buffer.write(said.replace(b"ID", number) + b"\n")
                sys.stdout.flush()
                continue
            case _:
                result = b"{}"
        sys.stdout.buffer.write(b'{"jsonrpc":"2.0","id":' + number + b',"result":' + result + b"}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
