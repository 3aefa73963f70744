// Drives one MCP session with the TypeScript SDK of the first line (@modelcontextprotocol/sdk), which knows
// nothing newer than 2025-11-25. Usage and steps: see ../README.md.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ErrorCode,
  LoggingMessageNotificationSchema,
  McpError,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';

import { drive, emit, options } from './options.mjs';

const given = options();
const client = new Client(
  { name: 'ts-sdk-old', version: '1.32.2' },
  { capabilities: { elicitation: { form: {}, url: {} }, sampling: {} } },
);
client.setRequestHandler(ElicitRequestSchema, async (request) => {
  emit({ asked: 'elicitation/create', params: request.params });
  return given.elicit === 'accept' ? { action: 'accept', content: {} } : { action: given.elicit };
});
client.setRequestHandler(CreateMessageRequestSchema, async (request) => {
  emit({ asked: 'sampling/createMessage', params: request.params });
  return { role: 'assistant', model: 'none', content: { type: 'text', text: 'sampled' } };
});
for (const schema of [ToolListChangedNotificationSchema, LoggingMessageNotificationSchema, ResourceUpdatedNotificationSchema]) {
  client.setNotificationHandler(schema, (note) => emit({ notification: note.method, params: note.params ?? {} }));
}
client.onerror = (error) => emit({ transport: String(error) });

const transport = given.url
  ? new StreamableHTTPClientTransport(new URL(given.url), {
      requestInit: given.token ? { headers: { Authorization: `Bearer ${given.token}` } } : {},
    })
  : new StdioClientTransport({ command: given.command[0], args: given.command.slice(1) });

async function request(step, how) {
  switch (step.do) {
    case 'tools/list': return client.listTools(step.cursor ? { cursor: step.cursor } : undefined, how);
    case 'tools/call':
      return client.callTool({ name: step.name, arguments: step.arguments ?? {} }, CallToolResultSchema, how);
    case 'resources/list': return client.listResources(undefined, how);
    case 'resources/templates/list': return client.listResourceTemplates(undefined, how);
    case 'resources/read': return client.readResource({ uri: step.uri }, how);
    case 'resources/subscribe': return client.subscribeResource({ uri: step.uri }, how);
    case 'prompts/list': return client.listPrompts(undefined, how);
    case 'prompts/get': return client.getPrompt({ name: step.name, arguments: step.arguments ?? {} }, how);
    case 'completion/complete':
      return client.complete({ ref: { type: 'ref/prompt', name: step.name }, argument: step.argument }, how);
    case 'ping': return client.ping(how);
    default: throw new Error(`unknown step ${step.do}`);
  }
}

let negotiated;
const setVersion = transport.setProtocolVersion?.bind(transport);
transport.setProtocolVersion = (version) => {
  negotiated = version;
  setVersion?.(version);
};

const OURS = new Set([ErrorCode.ConnectionClosed, ErrorCode.RequestTimeout]);
await drive(given, {
  connect: () => client.connect(transport, { timeout: given.timeout }),
  connected: () => ({
    protocolVersion: negotiated,
    serverInfo: client.getServerVersion(),
    capabilities: client.getServerCapabilities(),
    instructions: client.getInstructions() ?? null,
  }),
  request,
  isAnswer: (error) => error instanceof McpError && !OURS.has(error.code),
  close: () => client.close(),
});
