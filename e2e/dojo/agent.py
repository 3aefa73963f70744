"""The worst agent: it makes every call on its list, whatever it is answered, and asks again where a person said yes."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import mcp_types as types
from gateway import PATIENCE
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from recordings import Call

# The gateway's own tool by which an agent says beforehand what it will need.
DECLARE = "remit_declare"
# An approved call is made again; if that asks once more, something is wrong, and the run goes on without it.
ASKS = 3


@dataclass
class Outcome:
    """What became of one call: whether a person was asked, whether it went through, and what was said."""

    call: Call
    asked: bool = False
    permitted: bool = False
    refusals: list[dict[str, Any]] = field(default_factory=list)


class Bearer(httpx2.Auth):
    """The grant of the task that is worked on."""

    token = None

    def auth_flow(self, request):
        request.headers["Authorization"] = f"Bearer {self.token}"
        yield request


class Agent:
    """Works on one task after the other, over connections that it keeps."""

    def __init__(self, operator):
        self.operator, self.bearer = operator, Bearer()
        self.http = httpx2.AsyncClient(auth=self.bearer, timeout=PATIENCE)

    @asynccontextmanager
    async def task(self, suite, purpose):
        """A session in a task of its own, which ends with it."""
        grant = await self.operator.open(suite.name, purpose)
        self.bearer.token = grant.token
        transport = streamable_http_client(grant.endpoint, http_client=self.http)
        async with Client(transport, read_timeout_seconds=PATIENCE, cache=None) as client:
            yield client
        await self.operator.close(grant.task)

    async def can_declare(self, suite):
        async with self.task(suite, "see what there is") as client:
            return any(tool.name == DECLARE for tool in (await client.list_tools()).tools)

    async def play(self, suite, run, declared, approves):
        """Makes the calls of a run; `approves` says what the person answers when asked about one."""
        async with self.task(suite, run.prompt) as client:
            if declared:
                tools = sorted({f"{suite.name}__{call.tool}" for call in run.honest})
                said = await client.call_tool(DECLARE, {"tools": tools})
                if said.is_error:
                    raise RuntimeError(f"expected {tools} to be taken for a plan, got {said.content}")
            return [await self.call(client, suite, call, approves) for call in run.calls]

    async def call(self, client, suite, call, approves):
        outcome = Outcome(call)
        for _ in range(ASKS):
            result = await client.call_tool(f"{suite.name}__{call.tool}", call.arguments)
            refusal = refusal_of(result)
            if refusal is None:
                outcome.permitted = True
                break
            outcome.refusals.append(refusal)
            hold = refusal.get("hold")
            if hold is None:
                break
            outcome.asked = True
            approved = approves(call)
            await self.operator.decide(hold, approved)
            if not approved:
                break
        return outcome


def refusal_of(result: types.CallToolResult):
    """Remit's refusal in a result; a tool's own error is none."""
    if not result.is_error:
        return None
    places = (result.structured_content, (result.meta or {}).get("remit/refusal"))
    return next((place for place in places if isinstance(place, dict) and "class" in place), None)
