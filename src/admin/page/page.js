"use strict";
// Shows what /api/events tells. All text goes into the page as text, never as markup.
(() => {
  const $ = (id) => document.getElementById(id);
  const first = JSON.parse($("data").textContent);
  let points = first.history;
  let shown = first.live;
  let heard = Date.now();
  let open = false;

  const make = (name, className, text) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const fill = (id, children) => $(id).replaceChildren(...children);
  const set = (id, text) => {
    if ($(id).textContent !== text) $(id).textContent = text;
  };
  const percent = (value) => (value == null ? "–" : `${+value.toFixed(2)} %`);
  const seconds = (value) => (value == null ? "–" : `${+value.toPrecision(3)} s`);
  const span = (ms) => {
    const s = Math.round(ms / 1000);
    const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
    if (h) return m ? `${h} h ${m} min` : `${h} h`;
    return m ? (s % 60 ? `${m} min ${s % 60} s` : `${m} min`) : `${s} s`;
  };
  const time = (ms) => new Date(ms).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });

  // What is the case, and what a person should do about it.
  const header = ({ status }) => {
    const stopped = status.rollback || status.holds.length;
    document.querySelector("header").dataset.tone = stopped ? "bad" : status.percent > 0 ? "good" : "";
    set("verdict", status.verdict);
    const lines = [];
    if (status.rollback) lines.push("Nothing goes to Bedrock until you re-arm.");
    if (status.paused) lines.push(`Paused by ${status.paused.actor}: ${status.paused.reason}`);
    for (const caution of status.cautions) lines.push(`Take note: ${caution.sentence}`);
    for (const [name, problem] of [["State file", status.state_problem], ["Journal", status.journal_problem]]) {
      if (problem) lines.push(`${name}: ${problem}`);
    }
    for (const each of status.notify) if (each.problem) lines.push(`${each.to} is not told: ${each.problem}`);
    if (status.traces?.problem) lines.push(`${status.traces.to} does not take spans: ${status.traces.problem}`);
    if (status.config.problems.length) lines.push("rollout.yaml is refused; what is in force is the last good one.");
    if (status.breaker.state !== "closed") lines.push(`The local breaker is ${status.breaker.state.replace("_", " ")}: this process keeps from Bedrock for a while.`);
    fill("advice", lines.map((line) => make("p", "", line)));
  };

  const ladder = ({ status, stages }) => {
    const steps = [...new Set([0, ...stages, status.ceiling, status.percent])].sort((a, b) => a - b);
    fill("ladder", steps.map((step) => {
      const item = make("li", step <= status.percent && step ? "reached" : "", `${step} %`);
      if (step === status.ceiling) {
        item.classList.add("ceiling");
        item.title = "the ceiling: rollout.percent";
      }
      if (step === status.percent) item.setAttribute("aria-current", "step");
      return item;
    }));
    const { actual, eligible } = status.share;
    const measured = actual == null ? "no eligible calls yet" : `measured ${percent(actual * 100)} of ${eligible} eligible calls`;
    const where = `in force ${status.percent} %, ceiling ${status.ceiling} %, attempt ${status.attempt}; ${measured}`;
    set("stage", status.stage ? `${status.stage.sentence} (${where})` : where);
    fill("waits", (status.stage?.waits ?? []).map((wait) => make("li", "", waiting(wait))));
  };
  const waiting = (wait) => {
    switch (wait.for) {
      case "bake": return `${span(wait.left_ms)} more`;
      case "calls": return wait.needed == null ? `calls (${wait.judged} so far)` : `calls, ${wait.judged} of ${wait.needed}`;
      case "quality": return `a better error rate, ${wait.failures} of ${wait.judged} failed`;
      case "recent": return `recent calls, ${wait.judged} of ${wait.needed} in the last hour`;
      case "rule": return `the rule ${wait.rule}`;
      case "gate": return `the ${wait.gate} gate${wait.said === "no" ? ", which says no" : ""}`;
      default: return wait.for;
    }
  };

  const arms = ({ status }) => {
    const last = points.at(-1);
    const head = make("tr");
    for (const name of ["last 5 min", "calls", "failed", "slow", "p50", "p95", "calls/s", "in flight"]) {
      const cell = make("th", "", name);
      cell.scope = "col";
      head.append(cell);
    }
    const rows = ["original", "bedrock"].map((name) => {
      const arm = status.arms[name];
      const failed = Object.values(arm.recent.failures).reduce((sum, count) => sum + count, 0);
      const rate = arm.recent.judged ? ` (${percent((failed / arm.recent.judged) * 100)})` : "";
      const now = last?.[name];
      const row = make("tr");
      const title = make("th", "", name);
      title.scope = "row";
      row.append(title);
      const cells = [arm.recent.judged, `${failed}${rate}`, arm.recent.slow, seconds(now?.p50_s), seconds(now?.p95_s), now?.per_second == null ? "–" : now.per_second.toFixed(1), name === "bedrock" ? arm.in_flight : "–"];
      row.append(...cells.map((cell) => make("td", "", String(cell))));
      return row;
    });
    const caption = make("caption", "quiet", "p50, p95 of the time to the first token, and calls/s, are of the last minute.");
    $("arms").replaceChildren(caption, head, ...rows);
  };

  const rules = ({ status }) => fill("rules", status.rules.filter((rule) => rule.state !== "off").map((rule) => {
    const item = make("li");
    const line = make("div", "line");
    line.append(make("strong", "", rule.name));
    const said = { ok: "ok", breaching: "breached", unknown: "too few calls", unreachable: "not armed" }[rule.state];
    const tone = rule.state === "breaching" ? "bad" : rule.state === "ok" ? "good" : "quiet";
    line.append(make("span", tone, said ?? rule.state));
    item.append(line, make("div", "say", rule.sentence));
    if (rule.for_ms != null) {
      const clock = make("progress");
      clock.max = rule.for_ms;
      clock.value = rule.clock_ms ?? 0;
      const ran = rule.clock_ms == null ? "the clock stands" : `${span(rule.clock_ms)} of ${span(rule.for_ms)}`;
      clock.setAttribute("aria-label", `breach clock of ${rule.name}: ${ran}`);
      item.append(clock);
    }
    return item;
  }));

  const moves = ({ status }) => {
    const { ratio, migratable, examined, stays } = status.migratable;
    set("moves", ratio == null ? "No call has been examined yet." : `${percent(ratio * 100)} of the calls could move (${migratable} of ${examined} examined).`);
    fill("reasons", Object.entries(stays).sort((a, b) => b[1] - a[1]).map(([reason, part]) => {
      const item = make("li");
      const line = make("div", "line");
      line.append(make("span", "", reason), make("span", "", percent(part * 100)));
      item.append(line);
      return item;
    }));
  };

  const happened = ({ status }) => {
    const rows = [...status.happened].reverse().map((each) => {
      const item = make("li");
      item.append(make("div", each.event === "rolled_back" ? "bad" : "", each.sentence), make("div", "say", time(each.at_unix_ms)));
      return item;
    });
    fill("happened", rows.length ? rows : [make("li", "quiet", "Nothing yet.")]);
  };

  const config = ({ status }) => {
    const { generation, hash, problems, warnings, restart_needed: restart } = status.config;
    set("config", `generation ${generation}, ${hash.slice(0, 12)}, crossfade ${status.version}, up ${span(status.uptime_s * 1000)}`);
    fill("problems", [
      ...problems.map((problem) => make("li", "bad", `refused: ${problem}`)),
      ...warnings.map((warning) => make("li", "", `warning: ${warning}`)),
      ...(restart.length ? [make("li", "", `a restart is needed for: ${restart.join(", ")}`)] : []),
    ]);
  };

  // The buttons that make sense now; the server decides whether they may.
  const actions = ({ status, automatic }) => {
    const verbs = status.rollback ? ["rearm"] : ["rollback"];
    if (automatic && status.paused) verbs.push("resume");
    if (automatic && !status.rollback && !status.paused) verbs.push("pause");
    const advance = automatic && !status.rollback && status.stage?.next != null;
    if (advance) verbs.push("advance");
    $("force-label").hidden = !advance;
    const now = [...$("buttons").children].map((button) => button.value).join();
    if (now === verbs.join()) return;
    const names = { rollback: "Roll back to 0 %", rearm: "Re-arm", pause: "Pause", resume: "Resume", advance: "Advance" };
    fill("buttons", verbs.map((verb) => {
      const button = make("button", verb === "rollback" ? "bad" : "", names[verb]);
      button.type = "button";
      button.value = verb;
      button.addEventListener("click", () => act(verb));
      return button;
    }));
  };
  const say = (text, tone) => {
    $("said").className = tone;
    $("said").textContent = text;
  };
  const act = async (verb) => {
    const reason = $("reason").value.trim();
    if (!reason) {
      say("Say why: a reason is required.", "bad");
      $("reason").focus();
      return;
    }
    const headers = { "content-type": "application/json" };
    if ($("token").value) headers.authorization = `Bearer ${$("token").value}`;
    const body = { reason, actor: "status page" };
    if (verb === "advance" && $("force").checked) body.force = true;
    for (const button of $("buttons").children) button.disabled = true;
    say("Asking …", "quiet");
    try {
      const answer = await fetch(`/api/${verb}`, { method: "POST", headers, body: JSON.stringify(body) });
      const told = await answer.json();
      if (answer.ok) {
        say(told.message, "good");
        $("reason").value = "";
        $("force").checked = false;
      } else {
        say(told.error.message, "bad");
      }
    } catch {
      say("crossfade did not answer. Whether it was done is not known; look at the verdict.", "bad");
    }
    for (const button of $("buttons").children) button.disabled = false;
  };
  $("form").addEventListener("submit", (event) => event.preventDefault());

  // Charts: one below the other, over the same time.
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const limitLine = (limits) => ({
    hooks: {
      draw: (u) => {
        const { ctx, bbox } = u;
        const ratio = devicePixelRatio;
        ctx.save();
        ctx.strokeStyle = ctx.fillStyle = colour("--bad");
        ctx.lineWidth = ratio;
        ctx.font = `${11 * ratio}px system-ui, sans-serif`;
        ctx.textAlign = "left";
        for (const { at, label } of limits()) {
          const y = u.valToPos(at, "y", true);
          if (y < bbox.top) continue;
          ctx.setLineDash([5 * ratio, 4 * ratio]);
          ctx.beginPath();
          ctx.moveTo(bbox.left, y);
          ctx.lineTo(bbox.left + bbox.width, y);
          ctx.stroke();
          ctx.fillText(label, bbox.left + 6 * ratio, y - 4 * ratio);
        }
        ctx.restore();
      },
    },
  });
  const errorLimits = () => shown.status.rules
    .filter((rule) => rule.limit != null && ["errors", "severe", "outage"].includes(rule.name))
    .map((rule) => ({ at: rule.limit, label: `${rule.name} ${rule.limit} %` }));
  const latencyLimits = () => {
    const { latency_limit_ms: ms, latency_percentile: name } = shown;
    return ms == null ? [] : [{ at: ms / 1000, label: `latency ${name} ${ms / 1000} s` }];
  };
  const lines = (key) => [
    { label: "original", colour: "--original", of: (point) => point.original[key] },
    { label: "bedrock", colour: "--bedrock", of: (point) => point.bedrock[key] },
  ];
  const charts = [
    { title: "Failed calls in the last minute", unit: " %", limits: errorLimits, lines: lines("error_percent") },
    {
      title: "Time to the first token in the last minute (dashed: p50)", unit: " s", limits: latencyLimits,
      lines: [
        ...lines("p95_s").map((line) => ({ ...line, label: `${line.label} p95` })),
        ...lines("p50_s").map((line) => ({ ...line, label: `${line.label} p50`, dash: [4, 3] })),
      ],
    },
    { title: "Calls a second", unit: "", limits: () => [], lines: lines("per_second") },
  ];
  const drawn = [];
  const chartData = (spec) => [points.map((point) => point.at_unix_ms / 1000), ...spec.lines.map((line) => points.map(line.of))];
  const draw = () => {
    for (const { chart, element } of drawn.splice(0)) {
      chart.destroy();
      element.remove();
    }
    for (const spec of charts) {
      const element = make("section", "chart");
      element.append(make("h3", "", spec.title));
      $("charts").append(element);
      const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
      const options = {
        width: element.clientWidth - 20,
        height: 150,
        padding: [12, 8, 0, 0],
        plugins: [limitLine(spec.limits)],
        cursor: { sync: { key: "time" }, drag: { x: false, y: false } },
        scales: {
          y: {
            range: (_, __, max) => {
              // The nearest limit is always in sight.
              const low = Math.min(...spec.limits().map((limit) => limit.at));
              return [0, Math.max((max || 0) * 1.15, Number.isFinite(low) ? low * 1.4 : 0, 0.1)];
            },
          },
        },
        axes: [{ ...axis, size: 40, space: 80 }, { ...axis, size: 52, values: (_, ticks) => ticks.map((v) => `${+v.toPrecision(3)}${spec.unit}`) }],
        series: [
          { label: "at", value: (_, v) => (v == null ? "–" : new Date(v * 1000).toLocaleTimeString()) },
          ...spec.lines.map((line) => ({
            label: line.label, stroke: colour(line.colour), width: line.dash ? 1 : 2, dash: line.dash, points: { show: false },
            value: (_, v) => (v == null ? "–" : `${+v.toPrecision(3)}${spec.unit}`),
          })),
        ],
      };
      drawn.push({ element, spec, chart: new uPlot(options, chartData(spec), element) });
    }
  };
  const redraw = () => drawn.forEach(({ chart, spec }) => chart.setData(chartData(spec)));

  const show = (live) => {
    shown = live;
    const { point } = live;
    const fresh = point && (!points.length || point.at_unix_ms > points.at(-1).at_unix_ms);
    if (fresh) points = [...points, point].slice(-first.points_max);
    for (const part of [header, ladder, arms, rules, moves, happened, config, actions]) part(live);
    return fresh;
  };

  // What is shown is only worth as much as its age.
  const age = () => {
    const quiet = Date.now() - heard;
    const stale = quiet > 8000;
    document.body.classList.toggle("stale", stale);
    $("link").className = stale ? "warn" : "";
    set("link", stale ? `${open ? "stale" : "disconnected"}: last heard ${span(quiet)} ago` : "live");
  };

  $("plain").hidden = true;
  $("live").hidden = false;
  $("actions").hidden = first.changes === "refused";
  $("token-label").hidden = first.changes !== "token";
  show(first.live);
  draw();
  const connect = () => {
    const events = new EventSource("/api/events");
    events.addEventListener("open", () => { open = true; });
    events.addEventListener("history", (event) => {
      points = JSON.parse(event.data);
      redraw();
    });
    events.addEventListener("status", (event) => {
      heard = Date.now();
      if (show(JSON.parse(event.data))) redraw();
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
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) {
      width = innerWidth;
      draw();
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
