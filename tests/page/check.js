// The status page and the page of `crossfade simulate --html`, in a real Chromium.
//
//   node check.js CROSSFADE CHROMIUM FOLDER
//
// A rollback is seen, and everything that can be done is done by pressing; all of it without a
// reload, in light and dark and on a phone's width. The states of a bad hour are in states.js.
// Nothing depends on how fast the machine is: a state lasts until the test has seen it and ends it.
// Prints a line for each check and exits 1 if one failed. The pictures are in FOLDER: they are for
// people to look at. CommonJS, because its packages are found by NODE_PATH.

'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { checks, clean, together } = require('./checks.js');
const { Look, launch } = require('./look.js');
const { speak } = require('./words.js');
const { App, Sidecar, clear, demo, trace } = require('./stage.js');
const { states } = require('./states.js');

const [BINARY, CHROMIUM, FOLDER] = process.argv.slice(2).map((given) => path.resolve(given));

// Stages that last until the test has seen them, and a person's consent to the next one.
const LONG = 'bake: 1h, final_bake: 1h';
// As short as a stage may be.
const SHORT = 'bake: 1m, final_bake: 1h';
const CLIMB = (bake) => `
rollout: { percent: 100, advance: auto, stages: [25, 50, 100], ${bake}, min_calls: 20, error_bound: 50%, gates: [manual], sticky: none }
rollback: { errors: off, latency: off, severe: { above: 10%, over: 30s } }
`;
const STEADY = 'rollout: { percent: 25 }';
const LANES = 4;

/** The demo's story on the page: steady, a broken file, an outage, the re-arm. */
async function story({ browser, stage }) {
  const check = checks('demo');
  await check('without scripts there is the verdict and all of it as text', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(stage.admin_url);
    await page.locator('#verdict', { hasText: 'of eligible calls go to Bedrock' }).waitFor();
    await page.locator('#plain pre', { hasText: 'outage' }).waitFor();
    await context.close();
  });
  const look = await Look.at(browser, stage.admin_url, FOLDER);
  await check('the verdict comes first, and what to do', async () => {
    await look.says('#verdict', '25 % of eligible calls go to Bedrock');
    await look.says('#advice', 'Nothing to do');
    await look.says('#link', 'live');
    await look.says('#ladder [aria-current]', 'in force, ceiling');
  });
  const data = JSON.parse(await look.page.locator('#data').textContent());
  await check('every state has words, and what to do', () => speak(data.live));
  await check('both arms are drawn against the limits', async () => {
    await look.says('#arms', /First token, p95 last minute\s*[\d.]+\ss\s*[\d.]+\ss\s*5\ss/);
    await look.says('#charts .chart:nth-child(3) .u-legend', /original.*[\d.]+\/s.*Bedrock.*[\d.]+\/s/);
    assert.equal(await look.page.locator('#charts canvas').count(), 3);
  });
  await check('what is in force is said', async () => {
    await look.says('#rows', 'gpt-4o-mini → amazon.nova-lite-v1:0');
    await look.says('#rules', 'Trips when more than 2 % of the calls fail for 10m.');
    await look.says('#moves', /\d+ of \d+ examined/);
  });
  await check('steady, in every view', () => look.views('steady'));

  const config = fs.readFileSync(stage.config, 'utf8');
  await check('a broken rollout.yaml is shown with what is wrong', async () => {
    fs.writeFileSync(stage.config, config.replace('percent: 25', 'percent: 500\n  perzent: 5'));
    await look.says('#advice', 'Correct rollout.yaml');
    await look.says('#problems', 'rollout.percent: found 500');
    await look.says('#problems', 'perzent');
  });
  await check('broken, in every view', () => look.views('broken'));
  await check('mending it takes that away', async () => {
    fs.writeFileSync(stage.config, config);
    await look.quiet('#advice', 'Correct rollout.yaml');
    await look.quiet('#problems', 'refused');
  });

  await check('an outage of Bedrock is taken back, and seen without a reload', async () => {
    // Of the demo's models; the other crossfade asks for another.
    await stage.fail(...['amazon.nova-lite-v1:0', 'amazon.nova-pro-v1:0'].map((model) => ({ behaviour: 'error', kind: 'unavailable', model })));
    await look.says('#verdict', 'ROLLED BACK');
    // The moment at which it begins says which of the two rules is first.
    await look.says('#why', /Outage .* limit 50\s%|Severe .* limit 10\s%/);
    await look.says('#advice', 'press Re-arm: attempt 2 begins with 25 %');
    await look.says('#ladder [aria-current]', '0 %');
    await look.says('#happened li:first-child', /Rolled back 25\s% → 0\s%/);
    assert.match(await look.page.title(), /ROLLED BACK/);
    assert.equal(look.loads, 1);
  });
  await check('rolled back, in every view', () => look.views('rolled-back'));

  await check('the dialog is for the keyboard too', async () => {
    await stage.heal('amazon.nova-lite-v1:0', 'amazon.nova-pro-v1:0');
    await look.page.locator('#buttons [value=rearm]').focus();
    await look.page.keyboard.press('Enter');
    await look.says('#ask-effect', 'Attempt 2 begins: 25 %');
    assert.equal(await look.focused(), 'reason');
    await look.page.keyboard.press('Escape');
    await look.page.locator('#ask').waitFor({ state: 'hidden' });
    assert.equal(await look.focused(), 'rearm');
    await look.page.keyboard.press('Space');
    await look.page.keyboard.press('Enter');
    await look.says('#ask-said', 'a reason is required');
    assert.equal(await look.focused(), 'reason');
  });
  await check('the dialog, in every view', () => look.views('dialog'));
  await check('a re-arm by hand is in force and in the journal', async () => {
    await look.page.keyboard.type('Bedrock is back <b>');
    await look.page.keyboard.press('Enter');
    await look.says('#verdict', '25 % of eligible calls go to Bedrock');
    await look.says('#said', 'Done');
    await look.says('#facts', 'attempt 2');
    await look.says('#happened', 'Bedrock is back <b>');
    assert.equal(await look.focused(), 'verdict');
    const status = await (await fetch(`${stage.admin_url}/api/status`)).json();
    assert.deepEqual([status.percent, status.attempt, status.rollback], [25, 2, null]);
  });
  await check('no error, nothing against the policy, no other origin, no reload', () => clean(look));
}

/** A climb that people steer. */
async function climb({ browser, stage }) {
  const check = checks('climb');
  const sidecar = new Sidecar(BINARY, path.join(FOLDER, 'climb'), stage);
  await sidecar.configure(CLIMB(LONG));
  await sidecar.start();
  const app = new App(sidecar.port);
  const look = await Look.at(browser, sidecar.admin, FOLDER);
  await check('the stage and the next one are said', async () => {
    await look.says('#advice', 'when this stage has shown enough, a person has to press Advance to go on to 50 %');
    await look.says('#ladder [aria-current]', '25 %');
    await look.says('#ladder', 'next');
    await look.says('#reasons', /n_gt_1.*More than one answer is asked for/);
    await look.says('#waits', 'waits for the stage to be');
  });
  await check('climbing, in every view', () => look.views('climbing'));
  await check('pause, by pressing', async () => {
    await look.act('pause', 'lunch first');
    await look.says('#advice', 'Paused by status page: lunch first');
  });
  await check('paused, in every view', () => look.views('paused'));
  await check('resume, by pressing', async () => {
    await look.act('resume', 'lunch is over');
    await look.quiet('#advice', 'Paused');
    await look.says('#happened', 'lunch is over');
  });
  await check('a stage that is ready waits for a person', async () => {
    await sidecar.edit(CLIMB(SHORT));
    await look.says('#advice', 'Press Advance to go on to 50 % or leave it: the stage is ready');
  });
  await check('waiting, in every view', () => look.views('waiting'));
  await check('advance, by pressing', async () => {
    await look.act('advance', 'the numbers look good');
    await look.says('#verdict', '50 % of eligible calls go to Bedrock');
  });
  await check('an advance that is too early is refused with what is missing, and can be forced', async () => {
    await sidecar.edit(CLIMB(LONG));
    await look.page.locator('#buttons [value=advance]').click();
    await look.says('#ask-effect', 'The stage still waits for');
    await look.page.locator('#reason').fill('in a hurry');
    look.mayBeRefused = true;
    await look.page.locator('#ask-do').click();
    await look.says('#ask-said', /force|bake|waits/);
    await look.page.locator('#force').check();
    await look.page.locator('#ask-do').click();
    await look.says('#verdict', 'All eligible calls go to Bedrock');
  });
  await check('rollback, by pressing', async () => {
    await look.act('rollback', 'an alert of our own');
    await look.says('#verdict', 'ROLLED BACK');
    await look.says('#happened li:first-child', 'an alert of our own');
    assert.deepEqual(await look.page.locator('#buttons button:visible').allTextContents(), ['Re-arm']);
  });
  await check('the app saw no error', () => {
    app.stop();
    assert.deepEqual(app.bad, []);
  });
  await check('no error, nothing against the policy, no other origin, no reload', () => clean(look));
}

/** A crossfade that dies, and comes back. */
async function lost({ browser, stage }) {
  const check = checks('lost');
  const sidecar = new Sidecar(BINARY, path.join(FOLDER, 'lost'), stage);
  await sidecar.configure(STEADY);
  await sidecar.start();
  const app = new App(sidecar.port);
  const look = await Look.at(browser, sidecar.admin, FOLDER);
  const drawn = () => look.page.locator('#charts .chart:nth-child(3) .u-legend').textContent();
  await look.says('#charts .chart:nth-child(3) .u-legend', /original *[\d.]+\/s/);
  // A few points, to be seen in the pictures.
  await look.says('#facts', /up (1[5-9]|[2-9]\d)\ss|up \d+\smin/);
  await check('a lost connection is said, and nothing can be pressed', async () => {
    look.mayBeGone = true;
    app.stop();
    await sidecar.kill();
    await look.says('#lost', 'Connection lost');
    assert.ok(await look.page.locator('#buttons [value=rollback]').isDisabled());
    assert.match(await look.page.title(), /no connection/);
  });
  await check('without a connection, in every view', () => look.views('lost'));
  await check('the page comes back by itself, with what it had drawn', async () => {
    await sidecar.start();
    await look.page.locator('#lost').waitFor({ state: 'hidden' });
    await look.says('#link', 'live');
    await look.says('#verdict', '25 % of eligible calls go to Bedrock');
    assert.ok(await look.page.locator('#buttons [value=rollback]').isEnabled());
    // What was drawn before the crash is not forgotten.
    assert.match(await drawn(), /original *[\d.]+\/s/);
  });
  await check('no error, nothing against the policy, no other origin, no reload', () => clean(look));
}

/** Where changes are not allowed, and where they take a token. */
async function guarded({ browser, stage }) {
  const check = checks('guard');
  const shown = new Sidecar(BINARY, path.join(FOLDER, 'shown'), stage, { host: '0.0.0.0' });
  await shown.configure(STEADY);
  await shown.start();
  const look = await Look.at(browser, shown.admin, FOLDER);
  await check('where changes are refused there are no buttons, and it is said why', async () => {
    await look.says('#refused', 'This page only shows');
    assert.equal(await look.page.locator('button:visible').count(), 0);
  });
  await check('refused, in every view', () => look.views('refused'));
  await check('what is to be done is then a command', async () => {
    const broken = path.join(shown.folder, 'crossfade.state.json');
    assert.ok(fs.existsSync(broken));
    look.mayBeGone = true;
    await shown.kill();
    fs.writeFileSync(broken, '{');
    await shown.start();
    await look.says('#verdict', 'ROLLED BACK');
    await look.says('#advice', 'run crossfade rearm --reason');
  });
  await check('no error, nothing against the policy, no other origin', () => clean(look));

  const env = { CROSSFADE_ADMIN_TOKEN: 'a-token-of-the-page-test' };
  const locked = new Sidecar(BINARY, path.join(FOLDER, 'locked'), stage, { host: '0.0.0.0', env });
  await locked.configure(STEADY);
  await locked.start();
  const other = await Look.at(browser, locked.admin, FOLDER);
  await check('where a token is needed it is asked for, and has to be right', async () => {
    await other.page.locator('#buttons [value=rollback]').click();
    await other.page.locator('#reason').fill('a drill');
    await other.page.locator('#token').fill('a-wrong-token');
    // The browser says on its console that it was refused.
    other.mayBeRefused = true;
    await other.page.locator('#ask-do').click();
    await other.says('#ask-said', 'need the admin token');
    assert.deepEqual(await other.views('token'), []);
    await other.page.locator('#token').fill(env.CROSSFADE_ADMIN_TOKEN);
    await other.page.locator('#ask-do').click();
    await other.says('#verdict', 'ROLLED BACK');
  });
  await check('no error, nothing against the policy, no other origin', () => clean(other));
}

/** What `crossfade simulate --html` writes. */
async function simulated({ browser }) {
  const check = checks('simulate');
  const [calls, config, page] = ['calls.jsonl', 'simulate.yaml', 'simulate.html'].map((name) => path.join(FOLDER, name));
  fs.writeFileSync(calls, trace());
  fs.writeFileSync(config, 'original: { url: http://127.0.0.1:9 }\nbedrock: { region: us-east-1, models: { gpt-4o-mini: amazon.nova-lite-v1:0 } }\nrollout: { percent: 25 }\n');
  await check('a trace becomes a page', () => {
    execFileSync(BINARY, ['simulate', calls, '--config', config, '--html', page], { stdio: 'pipe' });
  });
  const look = await Look.at(browser, pathToFileURL(page).href, FOLDER);
  await check('the rollback is the first thing on it, and drawn', async () => {
    await look.says('h1', /Rolled back at 17m\d+s? by the rule severe/);
    assert.equal(await look.page.locator('h1.bad').count(), 1);
    assert.ok(await look.page.locator('#charts canvas').count() >= 4);
  });
  await check('in every view', () => look.views('simulate'));
  await check('no error, nothing against the policy, no other origin', () => clean(look));
}

async function main() {
  fs.rmSync(FOLDER, { recursive: true, force: true });
  fs.mkdirSync(FOLDER, { recursive: true });
  const [browser, stage] = await Promise.all([launch(CHROMIUM), demo(BINARY)]);
  const world = { browser, stage, binary: BINARY, folder: FOLDER };
  // Those that wait longest come first.
  const parts = [...states, climb, story, lost, guarded, simulated].map((part) => () => part(world));
  const failed = await together(parts, LANES);
  await browser.close();
  await clear();
  console.log(failed.length ? `${failed.length} failed:\n${failed.join('\n')}` : `all passed; the pictures are in ${FOLDER}`);
  process.exit(failed.length ? 1 : 0);
}

main().catch((error) => {
  console.log(`✗ ${error.stack ?? error}`);
  process.exit(1);
});
