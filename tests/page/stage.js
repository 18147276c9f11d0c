// What the pages are about: crossfade as a process of its own, the demo's providers and an app.
//
// Everything listens on this machine. What is started here is ended by `clear`, and at the latest
// with this process. Waits are waits for something seen, with a deadline that is a hang's.

'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const readline = require('node:readline');

const PATIENCE_MS = 240_000;
const LOOK_MS = 100;
const CALL_MS = 50;

const running = new Set();

function start(binary, args, options) {
  const child = spawn(binary, args, options);
  running.add(child);
  child.ended = new Promise((resolve) => child.once('exit', () => {
    running.delete(child);
    resolve();
  }));
  return child;
}

process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** Ends whatever runs. */
async function clear() {
  const all = [...running];
  all.forEach((child) => child.kill('SIGTERM'));
  await Promise.all(all.map((child) => child.ended));
}

/** `crossfade demo --serve`: the providers, an app and a crossfade at 25 %, with their addresses. */
async function demo(binary) {
  const child = start(binary, ['demo', '--serve', '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of readline.createInterface({ input: child.stdout })) {
    const said = JSON.parse(line);
    return { ...said, ...faults(said.bedrock_control_url) };
  }
  throw new Error('the demo ended before it ran');
}

/** What goes wrong in the emulated Bedrock: each part of the tests has models of its own. */
function faults(control) {
  let all = [];
  const tell = async () => {
    const answer = await fetch(`${control}/__emulator/behaviour`, { method: 'PUT', body: JSON.stringify(all) });
    if (!answer.ok) throw new Error(await answer.text());
  };
  const heal = (...models) => {
    all = all.filter(({ model }) => !models.includes(model));
    return tell();
  };
  const fail = (...rules) => {
    const models = rules.map(({ model }) => model);
    all = [...all.filter(({ model }) => !models.includes(model)), ...rules];
    return tell();
  };
  return { fail, heal };
}

/** A port that nobody listens on. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Resolves once `seen()` is true; whoever is asked may not be there yet. */
async function until(what, seen) {
  const end = Date.now() + PATIENCE_MS;
  while (Date.now() < end) {
    if (await seen().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  throw new Error(`not within ${PATIENCE_MS / 1000} s: ${what}`);
}

/** One crossfade with a configuration of its own, which can be killed and started again. */
class Sidecar {
  constructor(binary, folder, providers, { host = '127.0.0.1', env = {}, model = 'amazon.nova-micro-v1:0' } = {}) {
    Object.assign(this, { binary, folder, providers, host, env, model });
    fs.mkdirSync(folder, { recursive: true });
  }

  /** Writes `rollout.yaml`; `rest` is what follows the addresses. */
  async configure(rest) {
    this.port ??= await freePort();
    this.adminPort ??= await freePort();
    const text = [
      `listen: 127.0.0.1:${this.port}`,
      `admin: ${this.host}:${this.adminPort}`,
      `original: { url: ${this.providers.openai_url} }`,
      `bedrock: { region: us-east-1, endpoint: ${this.providers.bedrock_url}, models: { gpt-4o-mini: "${this.model}" } }`,
      rest,
    ].join('\n');
    fs.writeFileSync(path.join(this.folder, 'rollout.yaml'), text);
  }

  /** Edits `rollout.yaml` while it runs, and returns when that is in force. */
  async edit(rest) {
    const generation = async () => (await (await fetch(`${this.admin}/api/status`)).json()).config.generation;
    const before = await generation();
    await this.configure(rest);
    await until('the edit is in force', async () => await generation() > before);
  }

  get admin() {
    return `http://127.0.0.1:${this.adminPort}`;
  }

  /** Starts it, and returns when it serves. */
  async start() {
    // The environment is given, not inherited: no credential or proxy of this machine takes part.
    const env = {
      AWS_ACCESS_KEY_ID: 'emulator-access-key-id',
      AWS_SECRET_ACCESS_KEY: 'emulator-secret-access-key',
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      ...this.env,
    };
    const log = fs.openSync(path.join(this.folder, 'crossfade.log'), 'a');
    this.child = start(this.binary, ['run', '--config', 'rollout.yaml'], { cwd: this.folder, env, stdio: ['ignore', log, log] });
    fs.closeSync(log);
    await until(`${this.admin}/readyz`, async () => (await fetch(`${this.admin}/readyz`)).ok);
  }

  /** As a crash would end it. */
  async kill() {
    this.child.kill('SIGKILL');
    await this.child.ended;
  }
}

/**
 * An app: a call every CALL_MS, each with a prompt of its own; every second is streamed, and every
 * eighth asks for more than Bedrock has. `bad` tells of what is no answer. An idle connection is
 * given up long before crossfade does it, as SDKs do: otherwise a call may meet its end.
 */
class App {
  constructor(port) {
    Object.assign(this, { port, calls: 0, bad: [], agent: new http.Agent({ keepAlive: true, timeout: 20_000 }) });
    this.timer = setInterval(() => this.call(), CALL_MS);
  }

  call() {
    this.calls += 1;
    const body = JSON.stringify({
      model: 'gpt-4o-mini',
      stream: this.calls % 2 === 0,
      ...(this.calls % 8 === 0 && { n: 2 }),
      messages: [{ role: 'user', content: `Question ${this.calls}?` }],
    });
    const headers = { 'content-type': 'application/json', authorization: 'Bearer any' };
    const bad = (error) => this.bad.push(String(error));
    http.request({ port: this.port, path: '/v1/chat/completions', method: 'POST', headers, agent: this.agent }, (answer) => {
      answer.resume().once('error', bad);
      if (answer.statusCode !== 200) bad(answer.statusCode);
    }).once('error', bad).end(body);
  }

  stop() {
    clearInterval(this.timer);
    this.agent.destroy();
  }
}

/** A webhook gate of the app's own: no, until `agrees`. */
class Gate {
  static async open() {
    const gate = Object.assign(new Gate(), { agrees: false, asked: 0 });
    gate.server = http.createServer((request, answer) => {
      gate.asked += 1;
      request.resume();
      answer.writeHead(gate.agrees ? 204 : 403).end();
    });
    await new Promise((resolve) => gate.server.listen(0, '127.0.0.1', resolve));
    return gate;
  }

  get url() {
    return `http://127.0.0.1:${this.server.address().port}/agree`;
  }

  close() {
    this.server.close();
  }
}

/** Half an hour of calls in which Bedrock breaks after 15 minutes, as `crossfade simulate` reads it. */
function trace() {
  const lines = [];
  for (let call = 0; call < 9000; call += 1) {
    const arm = call % 4 ? 'original' : 'bedrock';
    const ill = arm === 'bedrock' && call > 4500;
    const first = (arm === 'bedrock' ? 420 : 380) + ((call * 37) % 200) + (ill ? 900 : 0);
    const failed = ill ? call % 5 === 0 : call % 400 === 399;
    lines.push(JSON.stringify({
      at: call / 5, arm, verdict: failed ? 'failure' : 'ok', ...(failed && { class: 'server' }), first_token_ms: first, total_ms: first * 4,
    }));
  }
  return `${lines.join('\n')}\n`;
}

module.exports = { App, Gate, PATIENCE_MS, Sidecar, clear, demo, freePort, trace };
