// What the page says of states that take long to come to: the demo's own status, changed.

'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');

const source = path.resolve(__dirname, '../../src/admin/page/words.js');
const words = vm.runInNewContext(`${fs.readFileSync(source, 'utf8')}; words`);

const STAGE = { percent: 25, next: 50, waits: [{ for: 'gate', gate: 'webhook', said: 'no' }] };
const CAUTION = { rule: 'relative', kind: 'worse', sentence: 'Bedrock fails more', at_unix_ms: 0 };
const PAUSED = { actor: 'ops', reason: 'lunch', at_unix_ms: 0 };
const clock = (rule) => (rule.name === 'errors' ? { ...rule, state: 'breaching', clock_ms: 90_000 } : rule);

// The state, what is to be done, and what must not be missed.
const CASES = [
  [{ state: 'steady', percent: 0 }, /^Raise rollout\.percent/, /^$/],
  [{ state: 'steady', percent: 0, switches: { use_aws_percent: 0 } }, /^USE_AWS_PERCENT is 0/, /^$/],
  [{ state: 'steady', percent: 100 }, /^Nothing to do: the rules watch\.$/, /^$/],
  [{ state: 'finished', percent: 100 }, /all of it is there/, /^$/],
  [{ state: 'advancing', stage: { ...STAGE, waits: [] } }, /goes on to 50 % by itself/, /^$/],
  [{ state: 'waiting', stage: STAGE }, /goes on to 50 % when its gate agrees/, /^$/],
  [{ state: 'paused', stage: STAGE, paused: PAUSED }, /^Paused by ops: lunch\..*press Resume/, /^$/],
  [{ percent: 0, holds: ['state_locked'] }, /find it, and end it\. The original answers/, /^$/],
  [{ percent: 0, holds: ['state_write', 'draining'] }, /^Make room for the state file.* until then\.$/, /^$/],
  [{ percent: 0, holds: ['config_refused'] }, /^Correct rollout\.yaml/, /^$/],
  [{ percent: 0, holds: ['force_openai_provider'] }, /restart crossfade\. The original/, /^$/],
  [{ percent: 0, holds: ['draining'] }, /^Nothing to do\. The original answers every call until then\.$/, /^$/],
  [{ cautions: [CAUTION] }, /press Take note/, /^Take note, relative: Bedrock fails more$/],
  [{ rules: clock }, /^Watch it/, /^errors: .*; the breach clock: 1 min 30 s of 10 min$/],
  [{ breaker: { state: 'open', left_ms: 30_000 } }, /^Nothing to do/, /local breaker is open.*tries one call in 30 s/],
  [{ breaker: { state: 'trial', left_ms: null } }, /^Nothing to do/, /tries one call\.$/],
  [{ state_problem: 'the disk is full' }, /^Nothing to do/, /^State file: the disk is full$/],
  [{ journal_problem: 'the disk is full' }, /^Nothing to do/, /^Journal: the disk is full$/],
  [{ credentials_problem: 'AWS refuses them' }, /^Nothing to do/, /^Credentials: AWS refuses them$/],
  [{ descriptors_problem: 'files are short' }, /^Nothing to do/, /^Callers: files are short$/],
  [{ notify: [{ to: 'slack', waiting: 1, failed_tries: 3, problem: 'no route' }] }, /^Nothing to do/, /^slack is not told: no route$/],
];

const WAITS = [
  [{ for: 'bake', left_ms: 60_000 }, 'the stage to be 1 min older'],
  [{ for: 'calls', judged: 3, needed: 20 }, 'calls: 3 of 20'],
  [{ for: 'quality', judged: 500, failures: 9, allowed: 3, next: 1000 }, 'a better error rate: 9 of 500 calls failed'],
  [{ for: 'recent', judged: 3, needed: 20 }, 'recent calls: 3 of 20 in the last hour'],
  [{ for: 'rule', rule: 'errors', why: 'clock' }, 'the rule errors'],
  [{ for: 'gate', gate: 'webhook', said: 'no' }, 'the webhook gate, which says no'],
];

/** Checks the words against `live`, a steady state as the page is told it. */
function speak(live) {
  // What it saw just then is another matter.
  const well = live.status.rules.map((rule) => ({ ...rule, state: 'ok', clock_ms: null }));
  const plain = (text) => text.replaceAll('\u00a0', ' ');
  for (const [change, todo, warning] of CASES) {
    const rules = change.rules ? well.map(change.rules) : well;
    // No key is made up: a name that the status does not have would prove nothing.
    for (const key of Object.keys(change)) assert.ok(key in live.status, key);
    const changed = { ...live, automatic: Boolean(change.stage), status: { ...live.status, cautions: [], ...change, rules } };
    assert.match(plain(words.next(changed)), todo);
    assert.match(plain(words.warnings(changed).join('\n')), warning);
  }
  for (const [wait, said] of WAITS) assert.equal(plain(words.waiting(wait)), said);
}

module.exports = { speak };
