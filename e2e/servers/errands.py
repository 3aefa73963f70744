#!/usr/bin/env python3
"""A stdio MCP server (2025-11-25) that does things elsewhere with what it is lent.

    errands.py ssh PORT USER COMMAND     `read_host` runs COMMAND over SSH, with SSH_KEY and SSH_CERTIFICATE (files)
    errands.py aws ENDPOINT BUCKET       `write_object` puts an object below its task's prefix, with AWS_* as boto3 wants them

What goes wrong is told as it is.
"""

import json
import os
import subprocess
import sys

KIND, *WORDS = sys.argv[1:]


def tool(name, properties, reads):
    return {"name": name, "description": "Does an errand.", "inputSchema": {"type": "object", "properties": properties},
            "annotations": {"readOnlyHint": reads, "destructiveHint": False, "openWorldHint": False}}


def ssh(_):
    port, user, command = WORDS
    options = ["BatchMode=yes", "IdentitiesOnly=yes", "IdentityAgent=none", "StrictHostKeyChecking=no",
               "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", f"CertificateFile={os.environ['SSH_CERTIFICATE']}"]
    words = ["ssh", "-F", "none", "-p", port, "-i", os.environ["SSH_KEY"]]
    for option in options:
        words += ["-o", option]
    run = subprocess.run([*words, f"{user}@127.0.0.1", command], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return run.stdout + run.stderr


def aws(arguments):
    import boto3

    endpoint, bucket = WORDS
    client = boto3.client("s3", endpoint_url=endpoint, region_name=os.environ["AWS_REGION"])
    answer = client.put_object(Bucket=bucket, Key=arguments["key"], Body=b"an object")
    return str(answer["ResponseMetadata"]["HTTPStatusCode"])


TOOLS = {"ssh": (ssh, tool("read_host", {}, True)), "aws": (aws, tool("write_object", {"key": {"type": "string"}}, False))}
DO, TOOL = TOOLS[KIND]


def answer(method, params):
    if method == "initialize":
        about = {"name": "errands", "version": "1"}
        return {"result": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": about}}
    if method == "tools/list":
        return {"result": {"tools": [TOOL]}}
    if method == "tools/call":
        try:
            text = DO(params.get("arguments") or {})
        except Exception as why:
            text = f"failed: {why}"
        return {"result": {"content": [{"type": "text", "text": text}]}}
    return {"error": {"code": -32601, "message": f"unknown method {method}"}}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        reply = {"jsonrpc": "2.0", "id": message["id"], **answer(message["method"], message.get("params") or {})}
        print(json.dumps(reply), flush=True)
