// What the Node drivers share: the command line, the steps, and the JSON lines they print.
// Usage and steps: see ../README.md.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

export function emit(line) {
  process.stdout.write(JSON.stringify(line) + '\n');
}

export function options(extra = {}) {
  const all = process.argv.slice(2);
  const cut = all.indexOf('--');
  const command = cut < 0 ? [] : all.slice(cut + 1);
  const { values } = parseArgs({
    args: cut < 0 ? all : all.slice(0, cut),
    options: {
      url: { type: 'string' },
      token: { type: 'string' },
      timeout: { type: 'string', default: '30' },
      elicit: { type: 'string', default: 'decline' },
      scenario: { type: 'string' },
      step: { type: 'string', multiple: true, default: [] },
      interactive: { type: 'boolean', default: false },
      ...extra,
    },
  });
  if (Boolean(values.url) === command.length > 0) {
    console.error('give either --url or a command after --');
    process.exit(2);
  }
  const steps = values.scenario ? JSON.parse(readFileSync(values.scenario, 'utf8')) : [];
  steps.push(...values.step.map((step) => JSON.parse(step)));
  return { ...values, timeout: Number(values.timeout) * 1000, command, steps };
}

async function* stepsOf(given) {
  yield* given.steps;
  if (given.interactive) {
    for await (const line of createInterface({ input: process.stdin })) yield JSON.parse(line);
  }
}

// `request(step, { signal, onprogress, timeout })` asks the server; `isAnswer(error)` tells an error that
// the server sent from a session that broke.
async function perform(step, given, { request, isAnswer }) {
  if (step.do === 'parallel') {
    const held = await Promise.all(step.steps.map((one) => perform(one, given, { request, isAnswer })));
    return held.every(Boolean);
  }
  if (step.do === 'wait') {
    await new Promise((resolve) => setTimeout(resolve, step.ms));
    return true;
  }
  const line = { method: step.do, ...('id' in step ? { id: step.id } : {}) };
  const abort = new AbortController();
  const timer = 'cancel_after_ms' in step ? setTimeout(() => abort.abort('cancelled by the step'), step.cancel_after_ms) : null;
  const onprogress = step.progress ? (params) => emit({ notification: 'notifications/progress', params }) : undefined;
  let held = true;
  try {
    line.result = await request(step, { signal: abort.signal, onprogress, timeout: given.timeout });
  } catch (error) {
    if (abort.signal.aborted) line.cancelled = true;
    else if (isAnswer(error)) line.error = { code: error.code, message: error.message, data: error.data };
    else {
      line.broken = String(error?.stack ?? error);
      held = false;
    }
  } finally {
    clearTimeout(timer);
  }
  emit(line);
  return held;
}

// Connects, runs every step, closes; the exit code is 0 when the session held to the end.
export async function drive(given, session) {
  let held = true;
  try {
    await session.connect();
    emit({ method: 'connect', result: session.connected() });
    for await (const step of stepsOf(given)) held = (await perform(step, given, session)) && held;
    await session.close();
  } catch (error) {
    emit({ broken: String(error?.stack ?? error) });
    held = false;
  }
  process.exit(held ? 0 : 1);
}
