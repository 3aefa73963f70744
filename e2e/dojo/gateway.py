"""A Remit of one's own before the recorded servers, and the operator who opens its tasks and answers what it asks."""

import asyncio
import json
import secrets
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# An operator's session lasts five minutes; it is made anew before that, also on a slow machine.
SESSION = 200
# A machine under load starts slowly, and a build without optimisation answers slowly.
PATIENCE = 180

AGENT = """\
[listen]
address = "127.0.0.1:0"

[[agent]]
name = "worker"
owner = "operators"

[[approver]]
group = "operators"
"""

# What a task may do at most: everything there is. So whatever is refused is refused for where it leads.
SERVER = """
[[server]]
name = {name}
url = {url}
owner = "operators"

[[template]]
name = {name}
may_open = ["worker"]
tools = [{tools}]
known = {known}
declare = true
ceiling = "restricted"
budget = {{ calls = 1000000, effects = 1000000 }}
"""


@dataclass(frozen=True)
class Grant:
    task: str
    token: str
    endpoint: str


class Server:
    """The process that serves one suite, and the door beside MCP by which it is told what is played."""

    def __init__(self, suite, process, url):
        self.suite, self.process, self.url = suite, process, url
        self.http = httpx2.AsyncClient(base_url=url, timeout=PATIENCE)

    @classmethod
    async def start(cls, suite, form):
        words = [sys.executable, str(HERE / "server.py"), str(suite.folder), "--form", form]
        process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
        url = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode().strip()
        if not url:
            raise SystemExit(f"expected an address from {words}, got nothing: it says why above")
        return cls(suite, process, url)

    async def play(self, calls):
        told = [
            {
                "tool": call.tool,
                "arguments": call.arguments,
                "text": call.text,
                "structure": call.structure,
                "error": call.error,
            }
            for call in calls
        ]
        (await self.http.post("/play", content=json.dumps(told))).raise_for_status()

    async def reached(self):
        return (await self.http.get("/reached")).raise_for_status().json()

    async def stop(self):
        await self.http.aclose()
        await end(self.process)


class Operator:
    """The person at the operator's socket."""

    def __init__(self, socket, passphrase):
        transport = httpx2.AsyncHTTPTransport(uds=str(socket))
        self.http = httpx2.AsyncClient(transport=transport, base_url="http://remit", timeout=PATIENCE)
        self.passphrase, self.since = passphrase, None

    async def ask(self, method, path, body=None):
        if self.since is None or time.monotonic() - self.since > SESSION:
            said = await self.http.post("/v1/login", json={"passphrase": self.passphrase})
            session = said.raise_for_status().json()["session"]
            self.http.headers["Authorization"] = f"Bearer {session}"
            self.since = time.monotonic()
        answer = await self.http.request(method, path, json=body)
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    async def open(self, template, purpose):
        granted = await self.ask("POST", "/v1/tasks", {"template": template, "purpose": purpose})
        return Grant(granted["task"], granted["grant"], granted["endpoint"])

    async def close(self, task):
        await self.ask("POST", f"/v1/tasks/{task}/close", {})

    async def decide(self, hold, approve):
        await self.ask("POST", f"/v1/holds/{hold}/{'approve' if approve else 'deny'}", {})

    async def until_known(self, tools):
        """Waits until every server has been asked for its tools."""
        for _ in range(PATIENCE * 10):
            known = {f"{tool['id']['server']}/{tool['id']['name']}" for tool in await self.ask("GET", "/v1/tools")}
            if tools <= known:
                return
            await asyncio.sleep(0.1)
        raise RuntimeError(f"expected these tools to be known: {sorted(tools - known)}")


@asynccontextmanager
async def standing(suites, remit, policies=None, form="recorded"):
    """A running gateway before one server for each suite; gives the operator and the servers.

    `policies` is a folder of policies in place of those that are built in, `form` that of the servers' results.
    """
    with tempfile.TemporaryDirectory(prefix="dojo-") as folder:
        state, passphrase = Path(folder) / "state", Path(folder) / "passphrase"
        passphrase.write_text(secrets.token_urlsafe())
        command = [str(remit), "--state", str(state), "--passphrase-file", str(passphrase)]
        subprocess.run([*command, "init"], check=True, stdout=subprocess.DEVNULL)
        servers = {suite.name: await Server.start(suite, form) for suite in suites}
        config = state / "remit.toml"
        config.write_text(configuration(policies, servers.values()))
        words = [str(remit), "serve", "--json", "--state", str(state), "--config", str(config)]
        with (Path(folder) / "serve.log").open("w+") as log:
            serve = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE, stderr=log)
            try:
                await ready(serve, Path(log.name))
                operator = Operator(state / "remit.sock", passphrase.read_text())
                names = {f"{suite.name}/{tool['name']}" for suite in suites for tool in suite.tools}
                await operator.until_known(names)
                yield operator, servers
                await operator.http.aclose()
            finally:
                await end(serve)
                for server in servers.values():
                    await server.stop()


def configuration(policies, servers):
    tables = [AGENT] if policies is None else [f"policies = {json.dumps(str(policies.resolve()))}\n{AGENT}"]
    for server in servers:
        name = server.suite.name
        values = {"name": name, "url": f"{server.url}/mcp", "tools": f"{name}/*", "known": server.suite.facts}
        tables.append(SERVER.format(**{key: json.dumps(value) for key, value in values.items()}))
    return "".join(tables)


async def ready(serve, log):
    async def read():
        while line := await serve.stdout.readline():
            if json.loads(line)["event"] == "ready":
                return True
        return False

    if not await asyncio.wait_for(read(), PATIENCE):
        raise SystemExit(f"remit serve ended before it was ready:\n{log.read_text()}")


async def end(process):
    if process.returncode is None:
        process.terminate()
    await process.wait()
