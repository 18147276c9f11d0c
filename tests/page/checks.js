// Checks with names: a line for each, and which of them failed.

'use strict';

const assert = require('node:assert/strict');

const failed = [];
const began = Date.now();

class Failed extends Error {}

const tell = (mark, what) => console.log(`${mark} ${String(Math.round((Date.now() - began) / 1000)).padStart(4)} s  ${what}`);

/** One check of a part. What follows a failed one in the same part is left out. */
const checks = (part) => async (name, act) => {
  try {
    const found = await act();
    if (Array.isArray(found) && found.length) throw new Error(found.join('\n    '));
    tell('✓', `${part}: ${name}`);
  } catch (error) {
    failed.push(`${part}: ${name}`);
    tell('✗', `${part}: ${name}\n    ${error.message ?? error}`);
    throw new Failed();
  }
};

/**
 * Runs parts beside each other, because most of each is waiting, but only some at a time: a page
 * that gets no processor says everything late. Returns the checks that failed.
 */
async function together(parts, atATime) {
  const left = [...parts];
  const lane = async () => {
    while (left.length) {
      try {
        await left.shift()();
      } catch (error) {
        if (error instanceof Failed) continue;
        failed.push(error.message ?? String(error));
        tell('✗', error.stack ?? error);
      }
    }
  };
  await Promise.all(Array.from({ length: atATime }, lane));
  return failed;
}

/** What a page did wrong, and that it was loaded once. */
function clean(look) {
  assert.equal(look.loads, 1, 'the page was loaded again');
  return look.faults;
}

module.exports = { checks, clean, together };
