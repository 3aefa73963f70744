#!/usr/bin/env python3
"""Drives one MCP session with the Python SDK (`mcp` 2.x) and prints a JSON line for each thing seen.

Usage and steps: see ../README.md. Exits 0 when the session held to the end (refusals included), 1 when
it broke, 2 on bad usage.
"""

import argparse
import contextlib
import json
import sys
import warnings
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import PrivateKeyJWTOAuthProvider, SignedJWTParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata
from mcp.shared.exceptions import MCPError

warnings.filterwarnings("ignore")

MODES = {"stateless": "auto", "sessions": "legacy"}
# The SDK's own codes for a connection that went away and an answer that never came.
TRANSPORT_CODES = {-32000, -32001}


def emit(**line):
    print(json.dumps(line, ensure_ascii=False), flush=True)


def plain(model):
    return model.model_dump(by_alias=True, exclude_none=True, mode="json")


class Forgetful:
    """Keeps tokens for as long as the process lives."""

    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


async def play_person(options, url):
    """Whoever has no key sends a person to a page; ours is a program that reads it."""
    program = [sys.executable, str(Path(__file__).parent.parent / "person.py"), url]
    words = ["--passphrase-file", str(options.passphrase_file), "--set", "purpose=read the notes of today"]
    run = await anyio.run_process(program + words)
    answer = parse_qs(urlsplit(json.loads(run.stdout)["location"]).query)
    return AuthorizationCodeResult(**{name: answer[name][0] for name in ("code", "state", "iss")})


def guided(options):
    document = options.client if options.client.startswith("https://") else None
    about = {
        "client_name": "python-sdk",
        "redirect_uris": ["http://127.0.0.1:5050/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    }
    storage, sent_to = Forgetful(), []
    if not document:
        storage.client = OAuthClientInformationFull(client_id=options.client, **about)

    async def redirect(url):
        sent_to.append(url)

    async def callback():
        return await play_person(options, sent_to[-1])

    return OAuthClientProvider(
        server_url=options.url,
        client_metadata=OAuthClientMetadata(**about),
        storage=storage,
        redirect_handler=redirect,
        callback_handler=callback,
        client_metadata_url=document,
    )


def registered(options):
    """Whoever has a key finds the token endpoint by the answer to its first request."""
    if options.passphrase_file:
        return guided(options)
    if not options.key:
        return None
    signed = SignedJWTParameters(
        issuer=options.client, subject=options.client, signing_key=options.key.read_text(), signing_algorithm="ES256"
    )
    return PrivateKeyJWTOAuthProvider(
        server_url=options.url,
        storage=Forgetful(),
        client_id=options.client,
        assertion_provider=signed.create_assertion_provider(),
        issuer=options.issuer,
    )


class Driver:
    """One client session, its callbacks, and the steps asked of it."""

    def __init__(self, options):
        self.options = options
        self.held = True
        self.client = None

    async def on_message(self, message):
        if isinstance(message, Exception):
            emit(transport=repr(message))
        elif message.method != "notifications/progress":  # the callback of its call prints that one
            emit(notification=message.method, params=plain(message.params) if message.params else {})

    async def on_elicitation(self, _context, params):
        emit(asked="elicitation/create", params=plain(params))
        return types.ElicitResult(action=self.options.elicit, content={} if self.options.elicit == "accept" else None)

    async def on_sampling(self, _context, params):
        emit(asked="sampling/createMessage", params=plain(params))
        return types.CreateMessageResult(
            role="assistant", content=types.TextContent(type="text", text="sampled"), model="none"
        )

    def transport(self, http):
        if self.options.command:
            return StdioServerParameters(command=self.options.command[0], args=self.options.command[1:])
        return streamable_http_client(self.options.url, http_client=http)

    @contextlib.asynccontextmanager
    async def session(self):
        token = self.options.token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx2.AsyncClient(
            headers=headers, timeout=self.options.timeout, auth=registered(self.options)
        ) as http:
            client = Client(
                self.transport(http),
                mode=MODES[self.options.era],
                read_timeout_seconds=self.options.timeout,
                message_handler=self.on_message,
                elicitation_callback=self.on_elicitation,
                sampling_callback=self.on_sampling,
                client_info=types.Implementation(name="python-sdk", version="2.3.0"),
                cache=None,
            )
            async with client:
                yield client

    async def run(self):
        async with self.session() as self.client:
            self.connected()
            async for step in self.steps():
                await self.step(step)

    def connected(self):
        version = self.client.protocol_version
        info = self.client.server_info
        emit(
            method="connect",
            result={
                "protocolVersion": version,
                "serverInfo": plain(info) if info else None,
                "capabilities": plain(self.client.server_capabilities),
                "instructions": self.client.instructions,
            },
        )
        stateless = version >= "2026-07-28"
        if stateless != (self.options.era == "stateless"):
            raise RuntimeError(f"asked for the era of {self.options.era}, negotiated {version}")

    async def steps(self):
        for step in self.options.steps:
            yield step
        while self.options.interactive:
            line = await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
            if not line:
                return
            yield json.loads(line)

    async def step(self, step):
        if step["do"] == "parallel":
            async with anyio.create_task_group() as group:
                for one in step["steps"]:
                    group.start_soon(self.step, one)
            return
        if step["do"] == "wait":
            await anyio.sleep(step["ms"] / 1000)
            return
        line = {"method": step["do"]}
        if "id" in step:
            line["id"] = step["id"]
        try:
            with anyio.move_on_after(step["cancel_after_ms"] / 1000 if "cancel_after_ms" in step else None) as scope:
                line["result"] = await self.request(step)
            if scope.cancelled_caught:
                line["cancelled"] = True
        except MCPError as error:
            line["error"] = plain(error.error)
            self.held &= error.error.code not in TRANSPORT_CODES
        emit(**line)

    async def request(self, step):
        client, do, name = self.client, step["do"], step.get("name")
        arguments = step.get("arguments", {})
        match do:
            case "tools/list":
                return plain(await client.list_tools(cursor=step.get("cursor")))
            case "tools/call":
                return plain(await client.call_tool(name, arguments, progress_callback=progress_printer(step)))
            case "resources/list":
                return plain(await client.list_resources())
            case "resources/templates/list":
                return plain(await client.list_resource_templates())
            case "resources/read":
                return plain(await client.read_resource(step["uri"]))
            case "prompts/list":
                return plain(await client.list_prompts())
            case "prompts/get":
                return plain(await client.get_prompt(name, arguments))
            case "completion/complete":
                ref = types.PromptReference(type="ref/prompt", name=name)
                return plain(await client.complete(ref, step["argument"]))
            case "ping":
                return plain(await client.send_ping())
            case "subscriptions/listen":
                return await self.listen(step)
        raise SystemExit(f"unknown step {do!r}")

    async def listen(self, step):
        events = []
        with anyio.move_on_after(step.get("for_ms", 5000) / 1000):
            async with self.client.listen(tools_list_changed=True) as subscription:
                emit(listening=plain(subscription.honored))
                async for event in subscription:
                    events.append(type(event).__name__)
                    emit(event=events[-1])
                    if len(events) >= step.get("events", 1):
                        break
        return {"events": events}


def progress_printer(step):
    if not step.get("progress"):
        return None

    async def show(progress, total, message):
        emit(notification="notifications/progress", params={"progress": progress, "total": total, "message": message})

    return show


def parse(argv):
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--era", choices=MODES, default="stateless")
    parser.add_argument("--url")
    parser.add_argument("--token")
    parser.add_argument("--client", help="the name it is registered under at the token endpoint")
    parser.add_argument("--key", type=Path, help="the file of its private key (PEM)")
    parser.add_argument("--issuer")
    parser.add_argument("--passphrase-file", type=Path, help="what the person knows whom it sends to a page")
    parser.add_argument("--timeout", type=float, default=30)
    parser.add_argument("--elicit", choices=["accept", "decline", "cancel"], default="decline")
    parser.add_argument("--scenario", type=Path, help="a file with a JSON array of steps")
    parser.add_argument("--step", action="append", default=[], help="one step as JSON; may be repeated")
    parser.add_argument("--interactive", action="store_true", help="then read steps from standard input, one a line")
    own, command = (argv, []) if "--" not in argv else (argv[: argv.index("--")], argv[argv.index("--") + 1 :])
    options = parser.parse_args(own)
    if bool(options.url) == bool(command):
        parser.error("give either --url or a command after --")
    options.command = command
    options.steps = json.loads(options.scenario.read_text()) if options.scenario else []
    options.steps += [json.loads(step) for step in options.step]
    return options


def causes(error):
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def main(kind=Driver):
    driver = kind(parse(sys.argv[1:]))
    try:
        anyio.run(driver.run)
    except Exception as error:  # any end but the planned one is a broken session, and the test wants to read why
        emit(broken=repr(causes(error)))
        return 1
    return 0 if driver.held else 1


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
