// Checks with names: a line for each, and how many failed.

'use strict';

const assert = require('node:assert/strict');

let failed = 0;

class Failed extends Error {}

/** One check of a part. What follows a failed one in the same part is left out. */
const checks = (part) => async (name, act) => {
  try {
    const found = await act();
    if (Array.isArray(found) && found.length) throw new Error(found.join('\n    '));
    console.log(`✓ ${part}: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`✗ ${part}: ${name}\n    ${error.message ?? error}`);
    throw new Failed();
  }
};

/** Runs parts beside each other, because most of each is waiting; returns how many checks failed. */
async function together(parts) {
  for (const { reason } of await Promise.allSettled(parts)) {
    if (reason && !(reason instanceof Failed)) {
      failed += 1;
      console.log(`✗ ${reason.stack ?? reason}`);
    }
  }
  return failed;
}

/** What a page did wrong, and that it was loaded once. */
function clean(look) {
  assert.equal(look.loads, 1, 'the page was loaded again');
  return look.faults;
}

module.exports = { checks, clean, together };
