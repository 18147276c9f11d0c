// The states of a bad hour, each in a crossfade of its own: what the page says of them, how it looks,
// and that its buttons do what they say. See check.js.

'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { checks, clean } = require('./checks.js');
const { Look } = require('./look.js');
const { App, Gate, Sidecar, freePort } = require('./stage.js');

// Stages as short as they may be, and somebody else's consent.
const GATED = (gate) => `
rollout: { percent: 100, advance: auto, stages: [50, 100], bake: 1m, final_bake: 1m, min_calls: 20, error_bound: 50%, gates: [{ webhook: "${gate}" }], sticky: none }
rollback: { errors: off, latency: off, severe: { above: 10%, over: 30s } }
`;
// Rules that watch and do not act soon; the latency limit is one that no model keeps.
const ILL = `
rollout: { percent: 50, sticky: none }
rollback: { latency: { above: 1ms, for: 5m, percentile: p50 }, severe: off, outage: off, breaker: { above: 60%, over: 30s } }
`;
const ILL_MODEL = 'us.meta.llama3-3-70b-instruct-v1:0';
const STEADY = 'rollout: { percent: 25, sticky: none }\ndrain: 5m\n';

/** A webhook gate says no, then yes; the climb comes to its end. */
async function gated({ browser, stage, binary, folder }) {
  const check = checks('gate');
  const gate = await Gate.open();
  const sidecar = new Sidecar(binary, path.join(folder, 'gate'), stage);
  await sidecar.configure(GATED(gate.url));
  await sidecar.start();
  const app = new App(sidecar.port);
  const look = await Look.at(browser, sidecar.admin, folder);
  await check('a webhook that says no is waited for', async () => {
    await look.says('#waits', 'the webhook gate, which says no');
    await look.says('#advice', 'the stage goes on to 100 % when its gate agrees');
  });
  await check('waiting for a webhook, in every view', () => look.views('gate'));
  await check('advance past it is refused, with what is missing', async () => {
    look.mayBeRefused = true;
    await look.page.locator('#buttons [value=advance]').click();
    await look.says('#ask-effect', 'The stage still waits for the webhook gate');
    await look.page.locator('#reason').fill('in a hurry');
    await look.page.locator('#ask-do').click();
    await look.says('#ask-said', 'which says no. To go on all the same, tick the box');
    assert.ok(!await look.page.locator('#force').isChecked());
  });
  await check('the refusal, in every view', () => look.views('refusal'));
  await check('a webhook that says yes lets it go on by itself', async () => {
    await look.page.keyboard.press('Escape');
    gate.agrees = true;
    await look.says('#verdict', 'All eligible calls go to Bedrock');
    assert.ok(gate.asked > 1);
  });
  await check('the end of the climb', async () => {
    await look.says('#advice', 'all of it is there, and the rules watch on');
    assert.deepEqual(await look.page.locator('#buttons button:visible').allTextContents(), ['Roll back to 0 %']);
    await look.says('#happened li:first-child', /Finished/);
  });
  await check('finished, in every view', () => look.views('finished'));
  await check('the app saw no error', () => {
    app.stop();
    gate.close();
    assert.deepEqual(app.bad, []);
  });
  await check('no error, nothing against the policy, no other origin, no reload', () => clean(look));
}

/** Bedrock is unwell, and the rules see it without acting yet. */
async function ill({ browser, stage, binary, folder }) {
  const check = checks('ill');
  const sidecar = new Sidecar(binary, path.join(folder, 'ill'), stage, { model: ILL_MODEL });
  await sidecar.configure(ILL);
  await sidecar.start();
  const app = new App(sidecar.port);
  const look = await Look.at(browser, sidecar.admin, folder);
  await check('a limit that the original breaks is not armed, and what would be one', async () => {
    await look.says('#advice', /Not armed, latency: The original's own.*set rollback\.latency\.above to \d+/);
    await look.says('#rules', 'not armed');
  });
  await check('a breach clock runs, and Bedrock is found to be worse', async () => {
    await stage.fail({ behaviour: 'error', kind: 'unavailable', model: ILL_MODEL, probability: 0.3 });
    await look.says('#advice', /^Watch it/);
    await look.says('#advice', /errors: [\d.]+\s% .* limit 2\s%; the breach clock: .* of 10\smin/);
    await look.says('#advice', /Take note, relative: Bedrock got/);
    assert.match(await look.page.title(), /^⚠/);
  });
  await check('a caution and a clock, in every view', () => look.views('caution'));
  await check('taking note, by pressing', async () => {
    await look.act('resume', 'the ticket is open');
    await look.quiet('#advice', 'Take note, relative:');
    await look.says('#happened', 'the ticket is open');
  });
  await check('an open local breaker', async () => {
    await stage.fail({ behaviour: 'error', kind: 'unavailable', model: ILL_MODEL });
    await look.says('#verdict', 'KEPT FROM BEDROCK');
    await look.says('#why', '50 % of eligible calls go there when it closes');
    await look.says('#advice', /The local breaker is open: .*tries one call in/);
    await look.says('#reasons', /breaker.*/);
    // Before the first trial: a trial that fails would double the wait.
    await stage.heal(ILL_MODEL);
  });
  await check('an open breaker, in every view', () => look.views('breaker'));
  await check('it closes by itself', async () => {
    await look.quiet('#advice', 'local breaker');
    await look.says('#verdict', '50 % of eligible calls go to Bedrock');
  });
  await check('the app saw no error', () => {
    app.stop();
    assert.deepEqual(app.bad, []);
  });
  await check('no error, nothing against the policy, no other origin, no reload', () => clean(look));
}

/** The environment keeps the share at 0, and nobody outside hears of anything. */
async function held({ browser, stage, binary, folder }) {
  const check = checks('held');
  const env = { FORCE_OPENAI_PROVIDER: 'true', USE_AWS_PERCENT: '10' };
  const sidecar = new Sidecar(binary, path.join(folder, 'held'), stage, { env });
  // Ports at which nobody is.
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const deaf = `traces: { otlp: "${nobody}" }\nnotify: [{ webhook: "${nobody}/told" }]\n`;
  await sidecar.configure(STEADY + deaf);
  await sidecar.start();
  const app = new App(sidecar.port);
  const look = await Look.at(browser, sidecar.admin, folder);
  await check('a switch of the environment is named', async () => {
    await look.says('#verdict', 'HELD AT 0 %');
    await look.says('#why', 'FORCE_OPENAI_PROVIDER is set in the environment');
    await look.says('#advice', 'unset FORCE_OPENAI_PROVIDER and restart');
    await look.says('#stage', 'The ceiling is USE_AWS_PERCENT');
    await look.says('#ladder [aria-current]', '0 %');
  });
  await check('a collector and a webhook that are away are named', async () => {
    await look.says('#advice', 'does not take spans');
    await look.says('#advice', 'is not told');
  });
  await check('what takes a restart is named', async () => {
    const config = path.join(sidecar.folder, 'rollout.yaml');
    fs.writeFileSync(config, fs.readFileSync(config, 'utf8').replace(/^listen: .*$/m, `listen: 127.0.0.1:${await freePort()}`));
    await look.says('#problems', 'a restart is needed for: listen');
    await look.says('#advice', 'restart');
  });
  await check('held, in every view', () => look.views('held'));
  await check('no error, nothing against the policy, no other origin, no reload', () => clean(look));
  app.stop();
}

/** The state file: another's, not to be written, and a start with a file that is refused. */
async function kept({ browser, stage, binary, folder }) {
  const check = checks('kept');
  const first = new Sidecar(binary, path.join(folder, 'first'), stage);
  await first.configure(STEADY);
  await first.start();
  const second = new Sidecar(binary, path.join(folder, 'second'), stage);
  const state = path.join(first.folder, 'crossfade.state.json');
  await second.configure(`${STEADY}state: ${state}\n`);
  await second.start();
  const look = await Look.at(browser, second.admin, folder);
  await check('a state file that another process owns', async () => {
    await look.says('#verdict', 'HELD AT 0 %');
    await look.says('#why', 'Another crossfade process owns the state file');
    await look.says('#advice', /else find it, and end it/);
  });
  await check('what cannot be done then is refused with the reason', async () => {
    look.mayBeRefused = true;
    await look.page.locator('#buttons [value=rollback]').click();
    await look.page.locator('#reason').fill('a drill');
    await look.page.locator('#ask-do').click();
    await look.says('#ask-said', /state file|another/i);
    await look.page.keyboard.press('Escape');
  });
  await check('locked, in every view', () => look.views('locked'));
  await check('it takes over when the other one ends', async () => {
    await first.kill();
    await look.says('#verdict', '25 % of eligible calls go to Bedrock');
  });
  await check('a rollback that the disk does not take is in force, and said to be unsaved', async () => {
    // Neither to be written nor removed, for every user.
    fs.mkdirSync(`${state}.tmp`);
    await look.page.locator('#buttons [value=rollback]').click();
    await look.page.locator('#reason').fill('the disk is full');
    await look.page.locator('#ask-do').click();
    await look.says('#ask-said', /disk|written|saved/);
    await look.page.keyboard.press('Escape');
    await look.says('#verdict', 'HELD AT 0 %');
    await look.says('#advice', 'Make room for the state file');
    await look.says('#advice', 'State file: cannot write');
  });
  await check('unsaved, in every view', () => look.views('unsaved'));
  await check('once the disk works it is a rollback', async () => {
    fs.rmdirSync(`${state}.tmp`);
    await look.says('#verdict', 'ROLLED BACK');
    await look.act('rearm', 'the disk has room');
    await look.says('#verdict', '25 % of eligible calls go to Bedrock');
  });
  await check('a start with a refused file holds, with the last good one', async () => {
    look.mayBeGone = true;
    await second.kill();
    const config = path.join(second.folder, 'rollout.yaml');
    const good = fs.readFileSync(config, 'utf8');
    fs.writeFileSync(config, good.replace('percent: 25', 'percent: 250'));
    await second.start();
    await look.says('#verdict', 'HELD AT 0 %');
    await look.says('#why', 'The configuration file was refused at the start');
    await look.says('#advice', 'rollout.percent: found 250');
    assert.deepEqual(await look.views('refused-start'), []);
    fs.writeFileSync(config, good);
    await look.says('#verdict', '25 % of eligible calls go to Bedrock');
  });
  await check('a stop is said while it lasts', async () => {
    // New calls keep it from ending at once.
    const app = new App(second.port);
    await look.says('#arms', /Calls a second.*[1-9]/);
    second.child.kill('SIGTERM');
    await look.says('#why', 'The process is stopping');
    app.stop();
    await look.says('#lost', 'Connection lost');
  });
  await check('no error, nothing against the policy, no other origin, no reload', () => clean(look));
}

module.exports = { states: [gated, ill, held, kept] };
