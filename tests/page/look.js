// A page as a person, a screen reader and a network see it.

'use strict';

const path = require('node:path');
const axe = require('axe-core');
const { chromium } = require('playwright-core');
const { PATIENCE_MS } = require('./stage.js');

// Debian's Chromium, with an empty profile, and nothing of it that would call home.
const ARGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

// How a page is looked at.
const VIEWS = [
  { name: 'light', colorScheme: 'light', width: 1280 },
  { name: 'dark', colorScheme: 'dark', width: 1280 },
  { name: 'phone-360', colorScheme: 'light', width: 360 },
  { name: 'phone-390-dark', colorScheme: 'dark', width: 390 },
];

/** In the page: what does not fit the screen, and charts that did not follow its width and colours. */
const followed = () => new Promise((resolve) => {
  const look = () => {
    const faults = [];
    const wider = document.documentElement.scrollWidth - innerWidth;
    if (wider > 0) faults.push(`${wider} px wider than the screen`);
    const colour = document.createElement('i');
    colour.style.color = 'var(--bedrock)';
    document.body.append(colour);
    const wanted = getComputedStyle(colour).color;
    colour.remove();
    for (const chart of document.querySelectorAll('.chart')) {
      const title = chart.querySelector('h3').textContent;
      const drawn = chart.querySelector('canvas').getBoundingClientRect().width / chart.clientWidth;
      if (drawn > 1 || drawn < 0.8) faults.push(`“${title}” fills ${Math.round(drawn * 100)} % of its width`);
      const lines = [...chart.querySelectorAll('.u-series')].filter((line) => /Bedrock$|in force/.test(line.querySelector('.u-label').textContent));
      if (lines.some((line) => getComputedStyle(line.querySelector('.u-marker')).borderTopColor !== wanted)) faults.push(`“${title}” has the colours of before`);
    }
    resolve(faults);
  };
  // A frame for the new size, one for the charts that follow it.
  requestAnimationFrame(() => requestAnimationFrame(look));
});

// Pictures and axe take all of a processor: one page at a time, while the others wait for words.
let viewing = Promise.resolve();
const alone = (act) => {
  const done = viewing.then(act);
  viewing = done.catch(() => {});
  return done;
};

const launch = (executablePath) => chromium.launch({ executablePath, args: ARGS });

/** One page, with everything that it did wrong. */
class Look {
  static async at(browser, url, folder) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB' });
    const look = Object.assign(new Look(), { url, folder, faults: [], loads: 0, mayBeGone: false, mayBeRefused: false });
    look.page = await context.newPage();
    // A hang's: nothing here is to be quick.
    look.page.setDefaultTimeout(PATIENCE_MS);
    await look.listen();
    await look.page.goto(url);
    return look;
  }

  async listen() {
    const { page } = this;
    const origin = this.url.startsWith('file:') ? this.url : new URL(this.url).origin;
    await page.exposeFunction('tellViolation', (text) => this.faults.push(`against its policy: ${text}`));
    await page.addInitScript(() => addEventListener('securitypolicyviolation', (event) =>
      window.tellViolation(`${event.violatedDirective} ${event.blockedURI}`)));
    page.on('pageerror', (error) => this.faults.push(`an error in a script: ${error}`));
    page.on('console', (message) => {
      // The browser itself says it where nobody answers, or with a refusal.
      const meant = (this.mayBeGone && /net::ERR_/.test(message.text())) || (this.mayBeRefused && /status of (403|409|503)/.test(message.text()));
      if (['error', 'warning'].includes(message.type()) && !meant) this.faults.push(`on the console: ${message.text()}`);
    });
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(origin) && !url.startsWith('data:')) this.faults.push(`a request to ${url}`);
    });
    page.on('load', () => { this.loads += 1; });
  }

  /** Returns once the element `at` says `text`. */
  async says(at, text) {
    try {
      await this.page.locator(at).filter({ hasText: text, visible: true }).first().waitFor();
    } catch {
      const said = await this.page.locator(at).filter({ visible: true }).allInnerTexts();
      throw new Error(`${at} did not say ${text}, but: ${said.join(' | ') || 'nothing'}`);
    }
  }

  /** Returns once nothing visible at `at` says `text`. */
  async quiet(at, text) {
    await this.page.locator(at).filter({ hasText: text, visible: true }).first().waitFor({ state: 'hidden' });
  }

  /** In light, dark and on phones: a picture, the width, and what axe finds. */
  views(state) {
    return alone(() => this.view(state));
  }

  async view(state) {
    const found = [];
    for (const { name, colorScheme, width } of VIEWS) {
      await this.page.emulateMedia({ colorScheme });
      await this.page.setViewportSize({ width, height: width < 500 ? 780 : 900 });
      found.push(...(await this.page.evaluate(followed)).map((fault) => `${name}: ${fault}`));
      await this.page.screenshot({ path: path.join(this.folder, `${state}-${name}.png`), fullPage: true });
      found.push(...(await this.axe()).map((fault) => `${name}: ${fault}`));
    }
    await this.page.emulateMedia({ colorScheme: 'light' });
    await this.page.setViewportSize({ width: 1280, height: 900 });
    return found;
  }

  /** The serious and critical faults. */
  async axe() {
    // Through the debugger, as the page's own policy lets no script in.
    await this.page.evaluate(`window.axe || (() => { ${axe.source} })()`);
    const { violations } = await this.page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    return violations
      .filter(({ impact }) => ['serious', 'critical'].includes(impact))
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ target, any }) => `${target} ${any[0]?.message ?? ''}`).slice(0, 3).join('; ')}`);
  }

  /** Where the keyboard is. */
  focused() {
    return this.page.evaluate(() => document.activeElement.id || document.activeElement.value || document.activeElement.tagName);
  }

  /** Presses a button of the page, says why and confirms. */
  async act(verb, reason) {
    await this.page.locator(`#buttons [value=${verb}]`).click();
    await this.page.locator('#reason').fill(reason);
    await this.page.locator('#ask-do').click();
    const refused = this.page.locator('#ask-said:not(:empty)');
    await this.page.locator('#ask:not([open])').or(refused).first().waitFor({ state: 'attached' });
    if (await refused.count()) throw new Error(`not done: ${await refused.textContent()}`);
  }
}

module.exports = { Look, launch };
