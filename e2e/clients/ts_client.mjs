// Drives one MCP session with the TypeScript client of the second line (@modelcontextprotocol/client).
// Usage and steps: see ../README.md.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import {
  Client,
  createPrivateKeyJwtAuth,
  CrossAppAccessProvider,
  DpopSession,
  PrivateKeyJwtProvider,
  ProtocolError,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

import { drive, emit, options } from './options.mjs';

const given = options({
  era: { type: 'string', default: 'stateless' },
  client: { type: 'string' },
  key: { type: 'string' },
  issuer: { type: 'string' },
  assertion: { type: 'string' },
  'passphrase-file': { type: 'string' },
  dpop: { type: 'boolean', default: false },
});
const stateless = given.era === 'stateless';
const MODERN = '2026-07-28';

const client = new Client(
  { name: 'ts-client', version: '2.4.0' },
  {
    capabilities: { elicitation: { form: {}, url: {} }, sampling: {} },
    versionNegotiation: { mode: stateless ? { pin: MODERN } : 'legacy' },
  },
);
client.setRequestHandler('elicitation/create', async (request) => {
  emit({ asked: 'elicitation/create', params: request.params });
  return given.elicit === 'accept' ? { action: 'accept', content: {} } : { action: given.elicit };
});
client.setRequestHandler('sampling/createMessage', async (request) => {
  emit({ asked: 'sampling/createMessage', params: request.params });
  return { role: 'assistant', model: 'none', content: { type: 'text', text: 'sampled' } };
});
for (const method of ['notifications/tools/list_changed', 'notifications/message', 'notifications/resources/updated']) {
  client.setNotificationHandler(method, (note) => emit({ notification: method, params: note.params ?? {} }));
}
client.onerror = (error) => emit({ transport: String(error) });

// Whoever has a key finds the token endpoint by the answer to its first request.
class WithDpop extends PrivateKeyJwtProvider {
  #session = DpopSession.create();
  dpop() {
    return this.#session;
  }
}

function registered() {
  const Provider = given.dpop ? WithDpop : PrivateKeyJwtProvider;
  return new Provider({
    clientId: given.client,
    privateKey: readFileSync(given.key, 'utf8'),
    algorithm: 'ES256',
    expectedIssuer: given.issuer,
  });
}

function signing() {
  return createPrivateKeyJwtAuth({
    issuer: given.client,
    subject: given.client,
    privateKey: readFileSync(given.key, 'utf8'),
    alg: 'ES256',
  });
}

// What somebody else says: with a key it is an ID-JAG, without one a workload's token.
function vouched() {
  const provider = new CrossAppAccessProvider({
    assertion: async () => readFileSync(given.assertion, 'utf8'),
    clientId: given.client,
    clientSecret: '',
    expectedIssuer: given.issuer,
  });
  provider.addClientAuthentication = given.key ? signing() : async () => {};
  return provider;
}

// Whoever is allowed things by a person sends one to a page; ours is a program that reads it.
class Guided {
  redirectUrl = 'http://127.0.0.1:5050/callback';
  clientMetadata = {
    client_name: 'ts-client',
    redirect_uris: [this.redirectUrl],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: given.key ? 'private_key_jwt' : 'none',
  };
  addClientAuthentication = given.key ? signing() : undefined;
  clientMetadataUrl = given.client.startsWith('https://') ? given.client : undefined;
  #saved = {};
  #dpop = given.dpop ? DpopSession.create() : undefined;
  dpop = () => this.#dpop;
  state = () => 'a state of the client';
  clientInformation = () => this.#saved.client ?? (this.clientMetadataUrl ? undefined : { client_id: given.client });
  saveClientInformation = (client) => void (this.#saved.client = client);
  tokens = () => this.#saved.tokens;
  saveTokens = (tokens) => void (this.#saved.tokens = tokens);
  saveCodeVerifier = (verifier) => void (this.#saved.verifier = verifier);
  codeVerifier = () => this.#saved.verifier;
  redirectToAuthorization(url) {
    const args = [
      new URL('../person.py', import.meta.url).pathname,
      ...['--passphrase-file', given['passphrase-file'], '--set', 'purpose=read the notes of today'],
      String(url),
    ];
    const python = new URL('../.venv/bin/python', import.meta.url).pathname;
    const { location } = JSON.parse(execFileSync(python, args));
    this.answer = new URL(location).searchParams;
    if (this.answer.get('state') !== this.state()) throw new Error(`another state: ${location}`);
  }
}

const guided = given['passphrase-file'] ? new Guided() : undefined;
const authProvider = guided ?? (given.assertion ? vouched() : given.key ? registered() : undefined);

function open() {
  if (!given.url) return new StdioClientTransport({ command: given.command[0], args: given.command.slice(1) });
  return new StreamableHTTPClientTransport(new URL(given.url), {
    requestInit: given.token ? { headers: { Authorization: `Bearer ${given.token}` } } : {},
    ...(authProvider ? { authProvider } : {}),
  });
}

async function connect() {
  const transport = open();
  try {
    return await client.connect(transport, { timeout: given.timeout });
  } catch (error) {
    if (!(guided?.answer && error instanceof UnauthorizedError)) throw error;
  }
  await transport.finishAuth(guided.answer);
  return client.connect(open(), { timeout: given.timeout });
}

async function listen(step) {
  const events = [];
  client.setNotificationHandler('notifications/tools/list_changed', () => {
    events.push('ToolsListChanged');
    emit({ event: 'ToolsListChanged' });
  });
  const subscription = await client.listen({ toolsListChanged: true });
  emit({ listening: subscription.honored ?? {} });
  const end = Date.now() + (step.for_ms ?? 5000);
  while (Date.now() < end && events.length < (step.events ?? 1)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await subscription.close();
  return { events };
}

async function request(step, how) {
  const fresh = { ...how, cacheMode: 'refresh' };
  switch (step.do) {
    case 'tools/list': return client.listTools(step.cursor ? { cursor: step.cursor } : undefined, fresh);
    case 'tools/call': return client.callTool({ name: step.name, arguments: step.arguments ?? {} }, how);
    case 'resources/list': return client.listResources(undefined, fresh);
    case 'resources/templates/list': return client.listResourceTemplates(undefined, fresh);
    case 'resources/read': return client.readResource({ uri: step.uri }, fresh);
    case 'prompts/list': return client.listPrompts(undefined, fresh);
    case 'prompts/get': return client.getPrompt({ name: step.name, arguments: step.arguments ?? {} }, how);
    case 'completion/complete':
      return client.complete({ ref: { type: 'ref/prompt', name: step.name }, argument: step.argument }, how);
    case 'ping': return client.ping(how);
    case 'subscriptions/listen': return listen(step);
    default: throw new Error(`unknown step ${step.do}`);
  }
}

await drive(given, {
  connect,
  connected: () => ({
    protocolVersion: client.getNegotiatedProtocolVersion(),
    serverInfo: client.getServerVersion() ?? null,
    capabilities: client.getServerCapabilities(),
    instructions: client.getInstructions() ?? null,
  }),
  request,
  isAnswer: (error) => error instanceof ProtocolError,
  close: () => client.close(),
});
