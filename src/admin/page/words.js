"use strict";
// What the page says: numbers with their units, and what a person should do about a state.
const words = (() => {
  // A number and its unit stay on one line.
  const kept = (text) => text.replace(/(\d) (%|s|min|h)(?![a-z])/g, "$1\u00a0$2");
  const percent = (value) => (value == null ? "–" : kept(`${+value.toFixed(2)} %`));
  const seconds = (value) => (value == null ? "–" : kept(`${+value.toPrecision(3)} s`));
  const span = (ms) => kept(spelt(ms));
  const spelt = (ms) => {
    const s = Math.round(ms / 1000);
    const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
    if (h) return m ? `${h} h ${m} min` : `${h} h`;
    return m ? (s % 60 ? `${m} min ${s % 60} s` : `${m} min`) : `${s} s`;
  };
  const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });
  const ago = (ms) => `${ms < 60_000 ? span(ms) : ms < 3_600_000 ? span(ms - (ms % 60_000)) : span(ms - (ms % 3_600_000))} ago`;
  const moment = (ms, now) => {
    const at = new Date(ms);
    const day = at.toDateString() === new Date(now).toDateString() ? "" : `${at.toLocaleDateString([], { dateStyle: "medium" })}, `;
    return `${day}${clock(ms)}, ${ago(Math.max(now - ms, 0))}`;
  };

  const begun = (text) => text && text[0].toUpperCase() + text.slice(1);
  // Long odds are read in thousands.
  const prose = (text) => kept(text.replaceAll("->", "→").replace(/\d{5,}(?=:1\b)/g, (odds) => Number(odds).toLocaleString("en")));

  // The line that says what is in force, and the reason behind its first colon.
  const verdict = (text) => {
    const at = text.indexOf(": ");
    return at < 0 ? [prose(text), ""] : [prose(text.slice(0, at)), prose(begun(text.slice(at + 2)))];
  };

  const waiting = (wait) => {
    switch (wait.for) {
      case "bake": return `the stage to be ${span(wait.left_ms)} older`;
      case "calls": return wait.needed == null ? `more calls (${wait.judged} so far)` : `calls: ${wait.judged} of ${wait.needed}`;
      case "quality": return `a better error rate: ${wait.failures} of ${wait.judged} calls failed`;
      case "recent": return `recent calls: ${wait.judged} of ${wait.needed} in the last hour`;
      case "rule": return `the rule ${wait.rule}`;
      case "gate": return wait.gate === "manual" ? "a person to agree (Advance)" : `the webhook gate${wait.said === "no" ? ", which says no" : ""}`;
      default: return wait.for;
    }
  };

  // A rule's sentence begins with its name, which stands above it, and the breach clock, below it.
  const rule = ({ name, sentence, limit }) => {
    const rest = sentence.startsWith(name) ? sentence.slice(name.length).replace(/^ unreachable: |^:? /, "") : sentence;
    const bare = rest.replace(/^clock \S+, now /, "");
    return begun(bare === rest ? rest : `${bare}, limit ${percent(limit)}`);
  };
  const ran = ({ clock_ms: ms, for_ms: of }) => (ms == null ? `the breach clock stands at 0 of ${span(of)}` : `the breach clock: ${span(ms)} of ${span(of)}`);

  // Rules that are above their limit while they may act; what they compare with the original is a
  // caution instead.
  const breached = ({ rollback, rules }) => (rollback ? [] : rules.filter((each) => each.state !== "unreachable" && each.odds == null && (each.clock_ms != null || each.state === "breaching")));

  // What ends a hold, as far as a person can do something.
  const HELD = {
    state_locked: "Nothing to do while the other process is about to end; else find it, and end it.",
    state_write: "Make room for the state file: a restart would forget what is not on disk.",
    config_refused: "Correct rollout.yaml and save it.",
    force_openai_provider: "To end it, unset FORCE_OPENAI_PROVIDER and restart crossfade.",
    draining: "Nothing to do.",
  };

  // What a person should do: by a button if `can`, else by a command.
  const next = (live, can = true) => {
    const { status } = live;
    const by = (name, verb) => (can ? `press ${name}` : `run crossfade ${verb} --reason "…"`);
    if (status.rollback) return todo(live, by);
    if (status.holds.length) return `${HELD[status.holds[0]] ?? ""} The original answers every call until then.`.trim();
    if (status.config.problems.length) return "Correct rollout.yaml and save it: it is refused, and what was in force before stays.";
    if (status.state === "paused") return todo(live, by);
    if (breached(status).length) return "Watch it: if this goes on, everything is taken back by itself. If you know more, roll back now.";
    if (status.cautions.length) return `Look at what the rules found, and ${by("Take note", "resume")}: until then nothing is advanced.`;
    return todo(live, by);
  };
  const todo = ({ status, automatic, stages }, by) => {
    const { state, stage, percent: share } = status;
    const climb = stage?.next == null ? "" : `to ${stage.next} % `;
    const person = stage?.waits.some((wait) => wait.gate === "manual");
    switch (state) {
      case "rolled_back": {
        const first = automatic ? Math.min(stages[0] ?? 0, status.ceiling) : status.ceiling;
        return `Nothing goes to Bedrock until a person re-arms. When Bedrock is well again, ${by("Re-arm", "rearm")}: attempt ${status.attempt + 1} begins with ${first} %.`;
      }
      case "waiting":
        return person ? `${begun(by("Advance", "advance"))} to go on ${climb}or leave it: the stage is ready, and a person has to agree.` : `Nothing to do: the stage goes on ${climb}when its gate agrees.`;
      case "paused": return `Paused by ${status.paused?.actor}: ${status.paused?.reason}. The rules watch on; ${by("Resume", "resume")} to go on.`;
      case "advancing":
        if (stage?.next == null) return "Nothing to do: it stays here, and the rules watch.";
        return person ? `Nothing to do yet: when this stage has shown enough, a person has to ${by("Advance", "advance")} to go on ${climb.trim()}.` : `Nothing to do: it goes on ${climb}by itself when this stage has shown enough.`;
      case "finished": return "Nothing to do: all of it is there, and the rules watch on.";
      default: break;
    }
    if (share > 0) return share < 100 ? "Nothing to do. To move more, raise rollout.percent in rollout.yaml." : "Nothing to do: the rules watch.";
    return status.switches.use_aws_percent === 0 ? "USE_AWS_PERCENT is 0 in the environment." : "Raise rollout.percent in rollout.yaml to begin.";
  };

  // What must not be missed, the most urgent first.
  const warnings = ({ status, holds }) => {
    const lines = [];
    if (status.rollback) lines.push(...holds.map((hold) => `Also: ${hold}`));
    const { problems } = status.config;
    lines.push(...problems.slice(0, 3).map((problem) => `rollout.yaml: ${problem}`));
    if (problems.length > 3) lines.push(`rollout.yaml: and ${problems.length - 3} more, see Configuration`);
    lines.push(...breached(status).map((each) => `${each.name}: ${rule(each)}${each.for_ms == null ? "" : `; ${ran(each)}`}`));
    for (const caution of status.cautions) lines.push(`Take note, ${caution.rule}: ${caution.sentence}`);
    const { state, left_ms: left } = status.breaker;
    if (state === "open") lines.push(`The local breaker is open: this process keeps from Bedrock${left == null ? "" : `, and tries one call in ${span(left)}`}.`);
    if (state === "trial") lines.push("The local breaker tries one call.");
    if (status.state_problem) lines.push(`State file: ${status.state_problem}`);
    if (status.journal_problem) lines.push(`Journal: ${status.journal_problem}`);
    if (status.credentials_problem) lines.push(`Credentials: ${status.credentials_problem}`);
    if (status.descriptors_problem) lines.push(`Callers: ${status.descriptors_problem}`);
    const { restart_needed: restart } = status.config;
    if (restart.length) lines.push(`rollout.yaml: a restart is needed for ${restart.join(", ")}`);
    for (const each of status.rules) if (each.state === "unreachable") lines.push(`Not armed, ${each.name}: ${rule(each)}`);
    for (const each of status.notify) if (each.problem) lines.push(`${each.to} is not told: ${each.problem}`);
    if (status.traces?.problem) lines.push(`${status.traces.to} does not take spans: ${status.traces.problem}`);
    return lines;
  };

  return { percent, seconds, span, clock, moment, begun, prose, verdict, waiting, rule, ran, next, warnings };
})();
