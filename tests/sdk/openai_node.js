// openai-node as a client of a running crossfade: see openai_python.py, whose setting this shares.
//
// What is checked is what the two SDKs do differently: their own HTTP stack, SSE decoder, stream
// helpers and tool loop. CommonJS, because its packages are found by NODE_PATH.

'use strict';

const assert = require('node:assert/strict');
const { OpenAI, AzureOpenAI, APIError, APIUserAbortError, AuthenticationError, RateLimitError } =
  require('openai');
const { makeParseableResponseFormat } = require('openai/lib/parser');

const AT_0 = url('CROSSFADE_TEST_AT_0');
const AT_50 = url('CROSSFADE_TEST_AT_50');
const AT_100 = url('CROSSFADE_TEST_AT_100');
const ORIGINAL = emulator(url('CROSSFADE_TEST_OPENAI_CONTROL'));
const BEDROCK = emulator(url('CROSSFADE_TEST_BEDROCK_CONTROL'));

const MODEL = 'gpt-4o-mini';
// Bedrock itself holds the model that this one is mapped to to a schema.
const NATIVE = 'gpt-4o';
const MESSAGES = [
  { role: 'system', content: 'You are terse.' },
  { role: 'user', content: 'Why is the sky blue?' },
];
const HELLO = { model: MODEL, messages: MESSAGES };
const ASK_WEATHER = [{ role: 'user', content: 'What is the weather in Oslo?' }];
const WEATHER = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city.',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
    },
  },
};
// Where each arm is sure to answer.
const ARMS = [['original', AT_0], ['bedrock', AT_100]];

// A hang guard; nothing that works comes near it.
const PATIENCE_MS = 30_000;

const CHECKS = [];

function check(sentence, prove) {
  CHECKS.push({ sentence, prove });
}

function url(variable) {
  const value = process.env[variable];
  if (!value) {
    console.error(`${variable} is not set; these suites are started by tests/run`);
    process.exit(1);
  }
  return value;
}

function emulator(base) {
  const call = async (method, path, body) => {
    const answer = await fetch(`${base}/__emulator/${path}`, {
      method,
      body: body && JSON.stringify(body),
    });
    assert.equal(answer.status, 200, `${method} ${path}`);
    return answer.json();
  };
  return {
    plays: (behaviour, rule = {}) => call('POST', 'behaviour', { behaviour, ...rule }),
    requests: async () => (await call('GET', 'requests')).requests,
    refuseConnections: () => call('POST', 'listening', { listening: false }),
    reset: async () => {
      await call('DELETE', 'behaviour');
      await call('POST', 'release');
      await call('POST', 'listening', { listening: true });
      await call('DELETE', 'requests');
    },
    async waitFor(condition) {
      for (const start = Date.now(); ;) {
        const requests = await this.requests();
        if (condition(requests)) return;
        assert.ok(Date.now() - start < PATIENCE_MS, `still ${JSON.stringify(requests)}`);
      }
    },
  };
}

function sdk(base) {
  return new OpenAI({ baseURL: `${base}/v1`, apiKey: 'dummy', maxRetries: 0, timeout: PATIENCE_MS });
}

async function ask(base, request = {}) {
  const call = sdk(base).chat.completions.create({ ...HELLO, ...request });
  const { data, response } = await call.withResponse();
  return { completion: data, headers: response.headers };
}

async function stream(base, request = {}) {
  const call = sdk(base).chat.completions.create({ ...HELLO, stream: true, ...request });
  const { data, response } = await call.withResponse();
  const chunks = [];
  for await (const chunk of data) chunks.push(chunk);
  return { chunks, headers: response.headers };
}

function textOf(chunks) {
  return chunks.flatMap((chunk) => chunk.choices).map((choice) => choice.delta.content ?? '').join('');
}

function answeredBy(headers, arm, failover = null) {
  assert.equal(headers.get('x-crossfade-arm'), arm);
  assert.equal(headers.get('x-crossfade-failover'), failover);
}

check('a plain call is answered by each arm', async () => {
  for (const [arm, base] of ARMS) {
    const { completion, headers } = await ask(base);
    answeredBy(headers, arm);
    assert.equal(completion.object, 'chat.completion');
    assert.equal(completion.choices.length, 1);
    assert.equal(completion.choices[0].finish_reason, 'stop');
    assert.ok(completion.choices[0].message.content);
    const { prompt_tokens, completion_tokens, total_tokens } = completion.usage;
    assert.equal(total_tokens, prompt_tokens + completion_tokens);
    assert.ok(completion._request_id);
  }
});

check('a streamed answer says what a whole one says', async () => {
  for (const [arm, base] of ARMS) {
    const { completion } = await ask(base);
    const { chunks, headers } = await stream(base, { stream_options: { include_usage: true } });
    answeredBy(headers, arm);
    assert.equal(textOf(chunks), completion.choices[0].message.content);
    assert.deepEqual(chunks.at(-1).choices, []);
    assert.equal(chunks.at(-1).usage.completion_tokens, completion.usage.completion_tokens);
  }
});

check('the stream helper accumulates text, usage and the final completion', async () => {
  for (const [, base] of ARMS) {
    const { completion } = await ask(base);
    const helper = sdk(base).chat.completions.stream({
      ...HELLO,
      stream_options: { include_usage: true },
    });
    const pieces = [];
    helper.on('content', (piece) => pieces.push(piece));
    const final = await helper.finalChatCompletion();
    assert.ok(pieces.length > 2, 'not streamed');
    assert.equal(pieces.join(''), completion.choices[0].message.content);
    assert.equal(await helper.finalContent(), completion.choices[0].message.content);
    assert.equal(final.choices[0].finish_reason, 'stop');
    assert.equal((await helper.totalUsage()).completion_tokens, completion.usage.completion_tokens);
  }
});

check('a tool call is whole in a whole answer and in the stream helper', async () => {
  for (const [arm, base] of ARMS) {
    const request = { messages: ASK_WEATHER, tools: [WEATHER] };
    const { completion, headers } = await ask(base, request);
    answeredBy(headers, arm);
    const streamed = await sdk(base).chat.completions
      .stream({ ...HELLO, ...request })
      .finalChatCompletion();
    for (const { choices: [choice] } of [completion, streamed]) {
      assert.equal(choice.finish_reason, 'tool_calls');
      assert.equal(choice.message.tool_calls.length, 1);
      assert.equal(choice.message.tool_calls[0].function.name, 'get_weather');
      assert.ok('city' in JSON.parse(choice.message.tool_calls[0].function.arguments));
    }
  }
});

check('a tool call without arguments has an empty object', async () => {
  await BEDROCK.plays('tool_use', { arguments: false });
  const completion = await sdk(AT_100).chat.completions
    .stream({ ...HELLO, tools: [WEATHER] })
    .finalChatCompletion();
  assert.deepEqual(JSON.parse(completion.choices[0].message.tool_calls[0].function.arguments), {});
});

check('the stream helper tells of a tool call as it grows', async () => {
  for (const model of [MODEL, NATIVE]) {
    const helper = sdk(AT_100).chat.completions
      .stream({ model, messages: ASK_WEATHER, tools: [WEATHER] });
    const grown = [];
    const done = [];
    helper.on('tool_calls.function.arguments.delta', (event) => grown.push(event));
    helper.on('tool_calls.function.arguments.done', (event) => done.push(event));
    const call = await helper.finalFunctionToolCall();
    assert.equal(grown.map((event) => event.arguments_delta).join(''), call.arguments);
    assert.deepEqual(done.map(({ name, index }) => [name, index]), [['get_weather', 0]]);
  }
  assert.deepEqual(await ORIGINAL.requests(), []);
});

check('parse() reads an answer by its schema, natively and by a tool, streamed too', async () => {
  const schema = {
    type: 'object',
    properties: { title: { type: 'string' }, stops: { type: 'array', items: { type: 'string' } } },
    required: ['title', 'stops'],
    additionalProperties: false,
  };
  const format = { type: 'json_schema', json_schema: { name: 'walk', schema, strict: true } };
  for (const model of [MODEL, NATIVE]) {
    const request = {
      model,
      messages: MESSAGES,
      response_format: makeParseableResponseFormat(format, JSON.parse),
    };
    const whole = await sdk(AT_100).chat.completions.parse(request);
    const streamed = await sdk(AT_100).chat.completions.stream(request).finalChatCompletion();
    for (const { choices: [{ message, finish_reason: finish }] } of [whole, streamed]) {
      assert.deepEqual(Object.keys(message.parsed).sort(), ['stops', 'title']);
      assert.deepEqual(message.parsed, JSON.parse(message.content));
      assert.equal(finish, 'stop');
      assert.ok(!message.tool_calls?.length);
    }
  }
  assert.deepEqual(await ORIGINAL.requests(), []);
});

check('runTools goes through call, result and answer', async () => {
  for (const [, base] of ARMS) {
    for (const streamed of [false, true]) {
      const asked = [];
      const tool = {
        type: 'function',
        function: {
          ...WEATHER.function,
          parse: JSON.parse,
          function: (input) => {
            asked.push(input);
            return '18 degrees';
          },
        },
      };
      const runner = sdk(base).chat.completions.runTools({
        model: MODEL,
        stream: streamed,
        messages: ASK_WEATHER,
        tools: [tool],
      });
      assert.match(await runner.finalContent(), /18 degrees/);
      assert.equal(asked.length, 1);
      assert.ok('city' in asked[0]);
    }
  }
});

check('what Bedrock fails before its first token, the original answers', async () => {
  const failures = [
    ['error', { kind: 'throttling' }, 'throttle'],
    ['error', { kind: 'internal' }, 'server'],
    ['stream_exception', { kind: 'throttling', after: 1 }, 'throttle'],
    ['drop', {}, 'network'],
    ['html', { status: 503 }, 'server'],
  ];
  for (const [behaviour, rule, failover] of failures) {
    await BEDROCK.reset();
    await BEDROCK.plays(behaviour, rule);
    const whole = await ask(AT_100);
    answeredBy(whole.headers, 'original', failover);
    const { chunks, headers } = await stream(AT_100);
    answeredBy(headers, 'original', failover);
    assert.equal(textOf(chunks), whole.completion.choices[0].message.content);
  }
});

check('a Bedrock that refuses connections is not noticed', async () => {
  await BEDROCK.refuseConnections();
  answeredBy((await ask(AT_100)).headers, 'original', 'network');
  answeredBy((await stream(AT_100)).headers, 'original', 'network');
});

check('a stream that breaks after its first token raises, raw and in the helper', async () => {
  for (const rule of [['cut', { after: 4 }], ['no_message_stop', {}],
    ['stream_exception', { kind: 'model_stream_error', after: 4 }]]) {
    await BEDROCK.reset();
    await ORIGINAL.reset();
    await BEDROCK.plays(...rule);
    let text = '';
    const raw = async () => {
      for await (const chunk of await sdk(AT_100).chat.completions.create({ ...HELLO, stream: true })) {
        text += textOf([chunk]);
      }
    };
    const isFrame = (error) => error instanceof APIError && Boolean(error.type);
    await assert.rejects(raw, isFrame, String(rule));
    assert.ok(text, `${rule}: nothing came before the error`);
    const helper = sdk(AT_100).chat.completions.stream(HELLO);
    await assert.rejects(helper.finalChatCompletion(), isFrame, String(rule));
    assert.deepEqual(await ORIGINAL.requests(), [], 'another model was asked to go on');
  }
});

check('an aborted stream ends the call at the provider', async () => {
  for (const [provider, base] of [[ORIGINAL, AT_0], [BEDROCK, AT_100]]) {
    await provider.plays('hold', { after: 4 });
    const chunks = await sdk(base).chat.completions.create({ ...HELLO, stream: true });
    for await (const chunk of chunks) {
      if (textOf([chunk])) break;
    }
    await provider.waitFor((requests) => requests.every(({ ended }) => ended === 'client_left'));
    const helper = sdk(base).chat.completions.stream(HELLO);
    helper.on('content', () => helper.abort());
    await assert.rejects(helper.done(), APIUserAbortError);
    await provider.waitFor((requests) =>
      requests.length === 2 && requests.every(({ ended }) => ended === 'client_left'));
  }
});

check("the original's errors are the SDK's", async () => {
  await ORIGINAL.plays('error', { status: 401, times: 1 });
  await assert.rejects(ask(AT_0), (error) =>
    error instanceof AuthenticationError && error.code === 'invalid_api_key');
  await BEDROCK.plays('error', { kind: 'throttling' });
  await ORIGINAL.plays('error', { status: 429, message: 'slow down' });
  await assert.rejects(ask(AT_100), (error) =>
    error instanceof RateLimitError && error.error.message === 'slow down'
      && error.headers.get('x-crossfade-failover') === 'throttle');
});

check('models and embeddings pass through at any share', async () => {
  for (const base of [AT_0, AT_50, AT_100]) {
    const names = [];
    for await (const model of sdk(base).models.list()) names.push(model.id);
    assert.ok(names.includes(MODEL));
    // The SDK asks for base64 and decodes it.
    const { data } = await sdk(base).embeddings.create({ model: 'text-embedding-3-small', input: 'a' });
    assert.equal(data[0].embedding.length, 8);
  }
  assert.deepEqual(await BEDROCK.requests(), []);
});

check('AzureOpenAI is answered by each arm', async () => {
  for (const [arm, base] of ARMS) {
    const client = new AzureOpenAI({
      endpoint: base,
      apiKey: 'dummy',
      apiVersion: '2024-10-21',
      deployment: MODEL,
      maxRetries: 0,
    });
    const { response } = await client.chat.completions.create(HELLO).withResponse();
    answeredBy(response.headers, arm);
  }
});

check('one fixed prompt is one conversation: at 50 % it stays on its arm', async () => {
  for (const prompt of ['Why is the sky blue?', 'Name a river.', 'And a mountain?']) {
    const arms = new Set();
    for (let turn = 0; turn < 10; turn += 1) {
      const { headers } = await ask(AT_50, { messages: [{ role: 'user', content: prompt }] });
      arms.add(headers.get('x-crossfade-arm'));
    }
    assert.equal(arms.size, 1, prompt);
  }
});

async function main() {
  let failed = 0;
  for (const { sentence, prove } of CHECKS) {
    await ORIGINAL.reset();
    await BEDROCK.reset();
    try {
      await prove();
      console.log(`ok      ${sentence}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${sentence}\n${error.stack}`);
    }
  }
  console.log(`${CHECKS.length - failed} of ${CHECKS.length} checks passed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

main();
