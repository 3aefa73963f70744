#!/usr/bin/env python3
"""Drives one MCP session with fastmcp's client, which puts its own transports and checks on top of the SDK's.

Usage and steps: see ../README.md.
"""

import contextlib
import sys

import mcp_types as types
from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

from python_sdk import MODES, Driver, emit, main, plain, progress_printer


class FastMcp(Driver):
    """The same steps, taken by `fastmcp.Client`."""

    async def on_question(self, _message, _form, params, _context):
        return await self.on_elicitation(None, params)

    async def on_log(self, params):
        emit(notification="notifications/message", params=plain(params))

    @contextlib.asynccontextmanager
    async def session(self):
        given = self.options
        if given.command:
            where = StdioTransport(given.command[0], given.command[1:], keep_alive=False)
        else:
            where = StreamableHttpTransport(given.url, auth=given.token)
        client = Client(
            where,
            mode=MODES[given.era],
            timeout=given.timeout,
            message_handler=self.on_message,
            log_handler=self.on_log,
            elicitation_handler=self.on_question,
        )
        async with client:
            yield client

    async def request(self, step):
        client, do, name = self.client, step["do"], step.get("name")
        arguments = step.get("arguments", {})
        match do:
            case "tools/list":
                return plain(await client.list_tools_mcp(cursor=step.get("cursor")))
            case "tools/call":
                return plain(await client.call_tool_mcp(name, arguments, progress_handler=progress_printer(step)))
            case "resources/list":
                return plain(await client.list_resources_mcp())
            case "resources/templates/list":
                return plain(await client.list_resource_templates_mcp())
            case "resources/read":
                return plain(await client.read_resource_mcp(step["uri"]))
            case "prompts/list":
                return plain(await client.list_prompts_mcp())
            case "prompts/get":
                return plain(await client.get_prompt_mcp(name, arguments))
            case "completion/complete":
                ref = types.PromptReference(type="ref/prompt", name=name)
                return plain(await client.complete_mcp(ref, step["argument"]))
            case "ping":
                await client.ping()
                return {}
        raise SystemExit(f"unknown step {do!r}")


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main(FastMcp))
