"use strict";
// Follows /api/events and shows what they tell. All text goes into the page as text, never as
// markup.
(() => {
  const $ = (id) => document.getElementById(id);
  const first = JSON.parse($("data").textContent);
  let points = first.history;
  let shown = first.live;
  let inForce = first.config;
  let heard = Date.now();
  let open = false;
  let lost = false;

  const make = (name, className, ...children) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...children);
    return element;
  };
  const fill = (id, children) => $(id).replaceChildren(...children);
  // Text in which names stand between backticks.
  const prose = (text) => words.prose(text).split("`").map((part, nth) => (nth % 2 ? make("code", "", part) : part));
  const set = (id, text) => {
    if ($(id).textContent !== text) $(id).textContent = text;
    $(id).hidden = !text;
  };

  const header = (live) => {
    const { status } = live;
    const [said, why] = words.verdict(status.verdict);
    const stopped = status.rollback || status.holds.length;
    const warnings = words.warnings(live);
    $("top").dataset.tone = lost ? "" : stopped ? "bad" : warnings.length ? "" : status.percent > 0 ? "good" : "";
    set("verdict", lost ? `Last known: ${said}` : said);
    set("why", why);
    const next = lost ? "See whether crossfade runs there, and what its log says. The buttons work again when it answers." : words.next(live, first.changes !== "refused");
    fill("advice", [make("li", "next", words.prose(next)), ...warnings.map((line) => make("li", "warn", ...prose(line)))]);
    set("facts", `attempt ${status.attempt}, crossfade ${status.version} at ${location.host}, up ${words.span(status.uptime_s * 1000)}`);
    const title = status.rollback ? "ROLLED BACK" : status.holds.length ? "HELD AT 0 %" : `${status.percent} %`;
    document.title = lost ? "no connection · crossfade" : `${warnings.length ? "⚠ " : ""}${title} · crossfade`;
  };

  const ladder = ({ status, stages, automatic }) => {
    const next = automatic ? status.stage?.next : null;
    $("ladder").className = status.rollback || status.holds.length ? "stopped" : "";
    const steps = [...new Set([0, ...stages, status.ceiling, status.percent])].sort((a, b) => a - b);
    fill("ladder", steps.map((step) => {
      const here = step === status.percent;
      const notes = [here && "in force", step === next && "next", step === status.ceiling && "ceiling"].filter(Boolean);
      const item = make("li", step && step < status.percent ? "reached" : "", make("b", "", words.percent(step)), make("span", "", notes.join(", ")));
      if (here) item.setAttribute("aria-current", "step");
      return item;
    }));
    const { actual, eligible, since_unix_ms: since } = status.share;
    const measured = actual == null ? "Nothing measured yet" : `Measured: ${words.percent(actual * 100)} of ${eligible} eligible calls`;
    const second = status.switches.use_aws_percent;
    const why = second != null && second === status.ceiling ? " The ceiling is USE_AWS_PERCENT's, in the environment." : "";
    // What it waits for is listed.
    const stage = status.stage ? ` ${words.prose(words.begun(status.stage.sentence.split(/; (?:then )?waits for: /)[0]))}.` : "";
    set("stage", `${measured}, since ${words.moment(since, status.now_unix_ms)}.${why}${stage}`);
    const waits = status.stage?.waits ?? [];
    fill("waits", waits.map((wait) => make("li", "", make("span", "quiet", "waits for "), words.waiting(wait))));
  };

  const arms = ({ status, latency_limit_ms: slow, latency_percentile: percentile }) => {
    const last = points.at(-1);
    const limit = (name) => status.rules.find((rule) => rule.name === name)?.limit;
    const both = (of) => ["original", "bedrock"].map((name) => of(status.arms[name], last?.[name]));
    const part = (some, all) => (all ? [words.percent((some / all) * 100), `${some} of ${all}`] : ["no calls"]);
    const failed = ({ failures }) => Object.values(failures).reduce((sum, count) => sum + count, 0);
    const errors = limit("errors");
    const slowest = slow == null ? "" : words.seconds(slow / 1000);
    const armed = status.rules.find((rule) => rule.name === "latency")?.state !== "unreachable";
    const above = (name) => (slow != null && percentile === name ? (armed ? slowest : "not armed") : "");
    const rows = [
      ["Failed", "last minute", both((_, now) => [words.percent(now?.error_percent)]), errors == null ? "" : words.percent(errors)],
      ["Failed", "last 5 min", both((arm) => part(failed(arm.recent), arm.recent.judged)), ""],
      ["First token, p50", "last minute", both((_, now) => [words.seconds(now?.p50_s)]), above("p50")],
      ["First token, p95", "last minute", both((_, now) => [words.seconds(now?.p95_s)]), above("p95")],
      ...(slow == null ? [] : [[`Slower than ${slowest}`, "last 5 min", both(({ recent }) => part(recent.slow, recent.fast + recent.slow)), !armed ? "not armed" : limit("latency") == null ? "" : words.percent(limit("latency"))]]),
      ["Calls a second", "last minute", both((_, now) => [now?.per_second == null ? "–" : `${now.per_second.toFixed(1)}/s`]), ""],
      ["In flight", "now", both((arm) => [String(arm.in_flight)]), ""],
      ["Failed", "this attempt", both((arm) => part(failed(arm.total), arm.total.judged)), ""],
    ];
    const beside = (text, more) => (more ? [text, " ", make("small", "", more)] : [text]);
    const head = (scope, ...children) => {
      const cell = make("th", "", ...children);
      cell.scope = scope;
      return cell;
    };
    const over = (value, most) => (most && parseFloat(value) > parseFloat(most) ? "bad" : "");
    fill("arms", [
      make("thead", "", make("tr", "", make("td", ""), ...["original", "Bedrock", "limit"].map((name) => head("col", name)))),
      make("tbody", "", ...rows.map(([what, when, [original, bedrock], most]) =>
        make("tr", "", head("row", ...beside(what, when)), make("td", "", ...beside(...original)), make("td", over(bedrock[0], most), ...beside(...bedrock)), make("td", "quiet", most)))),
    ]);
  };

  const rules = ({ status }) => {
    const on = status.rules.filter((rule) => rule.state !== "off");
    fill("rules", on.map((rule) => {
      const said = { ok: "ok", breaching: "above its limit", unknown: "too few calls", unreachable: "not armed" }[rule.state];
      const tone = rule.state === "breaching" ? "bad" : rule.state === "ok" ? "good" : "quiet";
      const trips = inForce.rules[rule.name];
      const item = make("li", "", make("div", "line", make("strong", "", rule.name), make("span", tone, said ?? rule.state)), make("div", "", ...prose(words.rule(rule))));
      if (trips) item.append(make("div", "say", rule.odds == null && rule.name !== "abandoned" ? `Trips when ${trips}.` : `Looks for: ${trips}.`));
      if (rule.for_ms != null) {
        const clock = make("progress");
        clock.max = rule.for_ms;
        clock.value = rule.clock_ms ?? 0;
        clock.setAttribute("aria-label", `${rule.name}: ${words.ran(rule)}`);
        item.append(clock, make("div", "say", words.ran(rule)));
      }
      return item;
    }));
    const off = status.rules.filter((rule) => rule.state === "off").map((rule) => rule.name);
    set("rules-off", [off.length && `Switched off: ${off.join(", ")}.`, status.rollback && "While the rollback holds no rule acts."].filter(Boolean).join(" "));
  };

  const moves = ({ status, reasons }) => {
    const { ratio, migratable, examined, unexamined, stays } = status.migratable;
    const apart = unexamined ? `; ${unexamined} were not examined` : "";
    set("moves", ratio == null ? "No call has been examined yet." : `${words.percent(ratio * 100)} of the calls could move: ${migratable} of ${examined} examined${apart}.${Object.keys(stays).length ? " The others stay, because:" : ""}`);
    fill("reasons", Object.entries(stays).sort((a, b) => b[1] - a[1]).map(([reason, part]) =>
      make("li", "", make("div", "line", make("strong", "", reason), make("span", "", words.percent(part * 100))), make("div", "say", reasons[reason] ?? ""))));
  };

  const happened = ({ status }) => {
    const rows = [...status.happened].reverse().map((each) =>
      make("li", "", make("div", each.event === "rolled_back" ? "bad" : "", ...prose(each.sentence)), make("div", "say", words.moment(each.at_unix_ms, status.now_unix_ms))));
    fill("happened", rows.length ? rows : [make("li", "quiet", "Nothing yet.")]);
  };

  const config = ({ status }) => {
    const { generation, hash, problems, warnings, restart_needed: restart } = status.config;
    set("config", `Generation ${generation}, ${hash}${problems.length ? ": still in force, because the file as it is now is refused" : ""}.`);
    fill("problems", [
      ...problems.map((problem) => make("li", "bad", `refused: ${problem}`)),
      ...warnings.map((warning) => make("li", "", `warning: ${warning}`)),
      ...(restart.length ? [make("li", "", `a restart is needed for: ${restart.join(", ")}`)] : []),
    ]);
  };
  const NAMES = { share: "Share", original: "Original", bedrock: "Bedrock", model: "Models", sticky: "Who" };
  const rows = () => {
    fill("rows", inForce.rows.flatMap(([key, text], nth) => [...(inForce.rows[nth - 1]?.[0] === key ? [] : [make("dt", "", NAMES[key] ?? key)]), make("dd", "", text)]));
    if (inForce.more) $("rows").append(make("dd", "quiet", `and ${inForce.more} more`));
  };

  // What is worth a line through the charts.
  const MARKS = {
    rolled_back: "rolled back", rearmed: "re-armed", stage_advanced: "advanced", stepped_back: "stepped back", percent_changed: "share changed",
    paused: "paused", resumed: "resumed", cautioned: "caution", held: "held", released: "released", finished: "finished",
  };

  // What is drawn. Nothing is drawn over a time in which nothing was heard.
  const gap = { original: {}, bedrock: {} };
  const pictures = () => {
    const all = points.flatMap((point, nth) => {
      const before = points[nth - 1]?.at_unix_ms;
      return before != null && point.at_unix_ms - before > 15_000 ? [{ ...gap, at_unix_ms: before + 1 }, point] : [point];
    });
    const line = (arm, key, more) => ({ colour: `--${arm}`, values: all.map((point) => point[arm][key] ?? null), ...more });
    const pair = (key) => [line("original", key, { label: "original", wide: true }), line("bedrock", key, { label: "Bedrock" })];
    const limits = shown.status.rules
      .filter((rule) => rule.limit != null && ["errors", "severe", "outage"].includes(rule.name))
      .map((rule) => ({ at: rule.limit, label: `${rule.name} ${rule.limit} %` }));
    const { latency_limit_ms: ms, latency_percentile: name } = shown;
    return {
      times: all.map((point) => point.at_unix_ms / 1000),
      marks: shown.status.happened
        .filter((each) => MARKS[each.event])
        .map((each) => ({ at: each.at_unix_ms / 1000, label: MARKS[each.event], bad: each.event === "rolled_back" })),
      charts: [
        { title: "Failed calls, over a minute", unit: " %", limits, lines: pair("error_percent") },
        {
          title: "Time to the first token, over a minute", unit: " s", limits: ms == null ? [] : [{ at: ms / 1000, label: `latency ${name} ${ms / 1000} s` }],
          lines: [
            line("original", "p95_s", { label: "original p95", wide: true }),
            line("bedrock", "p95_s", { label: "Bedrock p95" }),
            line("original", "p50_s", { label: "original p50", dashed: true }),
            line("bedrock", "p50_s", { label: "Bedrock p50", dashed: true }),
          ],
        },
        { title: "Calls a second, over a minute", unit: "/s", limits: [], lines: pair("per_second") },
      ],
    };
  };
  const time = {
    values: (_, ticks, __, ___, step) => ticks.map((at) => words.clock(at * 1000).slice(0, step < 60 ? 8 : 5)),
    incrs: [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600],
    said: (at) => (at == null ? "–" : words.clock(at * 1000)),
    least: 300,
    height: 190,
  };

  // Whether there is something new to be drawn.
  const show = (live) => {
    const before = shown.status.happened.at(-1)?.at_unix_ms;
    shown = live;
    const { point } = live;
    const moved = live.status.happened.at(-1)?.at_unix_ms !== before;
    const fresh = point && (!points.length || point.at_unix_ms > points.at(-1).at_unix_ms);
    if (fresh) points = [...points, point].slice(-first.points_max);
    for (const part of [header, ladder, arms, rules, moves, happened, config]) part(live);
    set("detectable", live.detectable ? `${live.detectable}.` : "");
    ask.show(live, lost);
    return fresh || moved;
  };

  // What is shown is only worth as much as its age. While the stream is open something is told
  // every two seconds; a stream that ends in order is taken up again after one.
  const age = () => {
    const quiet = Date.now() - heard;
    const now = quiet > (open ? 8000 : 4000);
    set("link", now ? `last heard ${words.span(quiet)} ago` : "live");
    if (now === lost) return;
    lost = now;
    document.body.classList.toggle("stale", lost);
    set("lost", lost ? `Connection lost: nothing is heard from crossfade at ${location.host}. What is below is from ${words.clock(heard)} and may be wrong by now. This page asks again by itself.` : "");
    show(shown);
  };

  $("plain").hidden = true;
  $("live").hidden = false;
  ask.start(first.changes, () => shown);
  rows();
  show(first.live);
  const redraw = charts.stack($("charts"), time, pictures);
  const connect = () => {
    const events = new EventSource("/api/events");
    const on = (name, act) => events.addEventListener(name, (event) => act(event.data && JSON.parse(event.data)));
    on("open", () => { open = true; });
    // After a restart the server knows less than this page does.
    on("history", (told) => {
      const since = told[0]?.at_unix_ms ?? Infinity;
      points = [...points.filter((point) => point.at_unix_ms < since), ...told].slice(-first.points_max);
      redraw();
    });
    on("config", (told) => {
      inForce = told;
      rows();
    });
    on("status", (told) => {
      // This page is that of another version.
      if (told.status.version !== first.live.status.version) location.reload();
      heard = Date.now();
      if (show(told)) redraw();
      age();
    });
    events.addEventListener("error", () => {
      open = false;
      // A refusal closes it for good; what only broke is taken up again by the browser.
      if (events.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
    });
  };
  connect();
  setInterval(age, 1000);
})();
