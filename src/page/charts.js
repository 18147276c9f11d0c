"use strict";
// The charts of a page: one after the other, over the same time, with one cursor. A page says what
// is to be seen; this draws it, and draws it anew where the width or the colours change.
//
// What is to be seen is { times, marks, charts }. Times are in seconds. A mark is a moment that
// goes through every chart: { at, label, bad, onset }. A chart has a title, a unit, limits
// ({ at, label }) and lines: { label, colour, values, wide, dashed, filled, steps }. A wide line
// lies under the others, so that two arms that are equal are both seen.
const charts = (() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const number = (value, unit) => (value == null ? "–" : `${+value.toPrecision(3)}${unit}`);
  const newest = (values) => values.findLast((value) => value != null);

  // A text that stays readable on top of lines.
  const label = (ctx, text, x, y, ratio) => {
    const ink = ctx.fillStyle;
    ctx.fillStyle = colour("--raised");
    ctx.globalAlpha = 0.8;
    ctx.fillRect(x - 2 * ratio, y - 11 * ratio, ctx.measureText(text).width + 4 * ratio, 14 * ratio);
    ctx.globalAlpha = 1;
    ctx.fillStyle = ink;
    ctx.fillText(text, x, y);
  };

  // Horizontal lines at the limits. Labels that would lie on each other go side by side.
  const limits = (u, spec) => {
    const { ctx, bbox } = u;
    const ratio = devicePixelRatio;
    const placed = [];
    ctx.strokeStyle = ctx.fillStyle = colour("--bad");
    ctx.lineWidth = ratio;
    ctx.setLineDash([5 * ratio, 4 * ratio]);
    for (const limit of spec.limits) {
      const y = u.valToPos(limit.at, "y", true);
      if (y < bbox.top) continue;
      ctx.globalAlpha = 0.75;
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      const beside = placed.filter((other) => Math.abs(other.y - y) < 14 * ratio);
      const x = Math.max(bbox.left + 6 * ratio, ...beside.map((other) => other.end + 8 * ratio));
      label(ctx, limit.label, x, y - 6 * ratio, ratio);
      placed.push({ y, end: x + ctx.measureText(limit.label).width });
    }
    ctx.globalAlpha = 1;
  };

  // Vertical lines where something changed; said in the first chart only, in the first of three rows
  // that has room.
  const marks = (u, all, said) => {
    const { ctx, bbox } = u;
    const ratio = devicePixelRatio;
    const rows = [-Infinity, -Infinity, -Infinity];
    for (const mark of [...all].sort((a, b) => a.at - b.at)) {
      const x = u.valToPos(mark.at, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = ctx.fillStyle = colour(mark.bad ? "--bad" : "--quiet");
      ctx.lineWidth = (mark.bad ? 2 : 1) * ratio;
      ctx.setLineDash(mark.onset ? [2 * ratio, 3 * ratio] : []);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const room = ctx.measureText(mark.label).width + 8 * ratio;
      const left = x + room > bbox.left + bbox.width ? x - room : x + 5 * ratio;
      const row = rows.findIndex((end) => end <= left);
      if (!said || row < 0) continue;
      rows[row] = left + room;
      label(ctx, mark.label, left, bbox.top + (14 + 16 * row) * ratio, ratio);
    }
  };

  // Keeps the charts of `read()` in `place`. `time` says how times are written: `values` and
  // `incrs` as uPlot has them for an axis, `said` for one moment; `least` is the shortest span, `gaps`
  // draws over what is missing, `zoom` lets a span be chosen.
  const stack = (place, time, read) => {
    let seen = read();
    let drawn = [];

    const over = (nth) => ({
      hooks: {
        draw: (u) => {
          const { ctx, bbox } = u;
          ctx.save();
          ctx.beginPath();
          ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
          ctx.clip();
          ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
          ctx.textAlign = "left";
          limits(u, seen.charts[nth]);
          marks(u, seen.marks, nth === 0);
          ctx.restore();
        },
      },
    });
    // The nearest limit is always in sight, and room for what is written above the lines.
    const height = (nth) => (_, __, most) => {
      const low = Math.min(...seen.charts[nth].limits.map((limit) => limit.at));
      const room = seen.marks.length && nth === 0 ? 1.4 : 1.15;
      return [0, Math.max((most || 0) * room, Number.isFinite(low) ? low * 1.4 : 0, 0.1)];
    };
    const options = (spec, nth, width) => {
      const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
      return {
        width,
        height: time.height ?? 160,
        // The last time is written half beyond the end.
        padding: [12, 18, 0, 0],
        plugins: [over(nth)],
        cursor: { sync: { key: "time" }, drag: { x: Boolean(time.zoom), y: false } },
        legend: { markers: { dash: (u, line) => (u.series[line].dash ? "dashed" : "solid") } },
        scales: {
          x: { time: false, ...(time.least && { range: (_, from, to) => [Math.min(from, to - time.least), to] }) },
          y: { range: height(nth) },
        },
        axes: [
          { ...axis, size: 28, space: 70, incrs: time.incrs, values: time.values },
          { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => number(tick, spec.unit)) },
        ],
        series: [
          { label: "at", value: (u, at, _, here) => time.said(here == null ? newest(u.data[0]) : at) },
          ...spec.lines.map((line) => ({
            label: line.label,
            stroke: colour(line.colour) + (line.wide ? "80" : ""),
            width: line.wide ? 5 : 1.75,
            dash: line.dashed ? [4, 3] : undefined,
            fill: line.filled ? colour(line.colour) + "22" : undefined,
            paths: line.steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
            points: { show: false },
            spanGaps: Boolean(time.gaps),
            // Without a cursor: the newest.
            value: (u, value, nth, here) => number(here == null ? newest(u.data[nth]) : value, spec.unit),
          })),
        ],
      };
    };
    const data = (spec) => [seen.times, ...spec.lines.map((line) => line.values)];
    const say = (chart) => chart.cursor.left >= 0 || chart.setLegend({ idx: null }, false);

    const build = () => {
      for (const chart of drawn.splice(0)) chart.destroy();
      place.replaceChildren(...seen.charts.map((spec) => {
        const section = document.createElement("section");
        section.className = "chart";
        const title = document.createElement("h3");
        title.textContent = spec.title;
        section.append(title);
        return section;
      }));
      drawn = seen.charts.map((spec, nth) => {
        const section = place.children[nth];
        const { paddingLeft, paddingRight } = getComputedStyle(section);
        const width = section.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
        const chart = new uPlot(options(spec, nth, Math.max(width, 100)), data(spec), section);
        say(chart);
        return chart;
      });
    };
    build();
    let wide = place.clientWidth;
    // A phone's address bar that comes and goes changes the height only.
    new ResizeObserver(() => {
      if (place.clientWidth === wide) return;
      wide = place.clientWidth;
      build();
    }).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", build);

    // Shows what `read()` says now: as many charts and lines as before.
    return () => {
      seen = read();
      drawn.forEach((chart, nth) => {
        chart.setData(data(seen.charts[nth]));
        say(chart);
      });
    };
  };
  return { stack };
})();
