"use strict";
// Draws the data of the page: one chart under the other, over the same time, with the same cursor.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const span = (s) => {
    if (s == null) return "";
    const [d, h, m, r] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60, Math.round(s % 60)];
    const two = (n) => String(n).padStart(2, "0");
    if (d) return h || m ? `${d}d${two(h)}h` : `${d}d`;
    if (h) return r ? `${h}h${two(m)}m${two(r)}` : m ? `${h}h${two(m)}` : `${h}h`;
    return r ? (m ? `${m}m${two(r)}` : `${r}s`) : `${m}m`;
  };
  const number = (unit) => (_, v) => (v == null ? "–" : `${+v.toPrecision(3)}${unit}`);

  // Text that stays readable on top of lines.
  const label = (ctx, text, x, y, ratio) => {
    const ink = ctx.fillStyle;
    ctx.fillStyle = colour("--raised");
    ctx.globalAlpha = 0.8;
    ctx.fillRect(x - 2 * ratio, y - 11 * ratio, ctx.measureText(text).width + 4 * ratio, 14 * ratio);
    ctx.globalAlpha = 1;
    ctx.fillStyle = ink;
    ctx.textAlign = "left";
    ctx.fillText(text, x, y);
  };

  // Vertical lines where something changed, horizontal ones at the limits.
  const marks = (limits, labelled) => ({
    hooks: {
      draw: (u) => {
        const { ctx, bbox } = u;
        const ratio = devicePixelRatio;
        ctx.save();
        ctx.beginPath();
        ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
        ctx.clip();
        ctx.font = `${11 * ratio}px system-ui, sans-serif`;
        for (const limit of limits) {
          const y = u.valToPos(limit.at, "y", true);
          if (y < bbox.top) continue;
          ctx.strokeStyle = ctx.fillStyle = colour("--bad");
          ctx.globalAlpha = 0.75;
          ctx.lineWidth = ratio;
          ctx.setLineDash([5 * ratio, 4 * ratio]);
          ctx.beginPath();
          ctx.moveTo(bbox.left, y);
          ctx.lineTo(bbox.left + bbox.width, y);
          ctx.stroke();
          ctx.globalAlpha = 1;
          label(ctx, limit.label, bbox.left + 6 * ratio, y - 4 * ratio, ratio);
        }
        ctx.globalAlpha = 1;
        for (const mark of data.marks) {
          const x = u.valToPos(mark.at, "x", true);
          ctx.strokeStyle = ctx.fillStyle = colour(mark.bad ? "--bad" : "--quiet");
          ctx.lineWidth = (mark.bad ? 2 : 1) * ratio;
          ctx.setLineDash(mark.onset ? [2 * ratio, 3 * ratio] : []);
          ctx.beginPath();
          ctx.moveTo(x, bbox.top);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.stroke();
          if (!labelled) continue;
          const room = ctx.measureText(mark.label).width + 8 * ratio;
          const left = x + room > bbox.left + bbox.width ? x - room : x + 5 * ratio;
          label(ctx, mark.label, left, bbox.top + (mark.onset ? 30 : 14) * ratio, ratio);
        }
        ctx.restore();
      },
    },
  });

  const charts = [];
  const draw = () => {
    for (const [element, chart] of charts.splice(0)) {
      chart.destroy();
      element.remove();
    }
    for (const [place, spec] of data.charts.entries()) {
      const element = document.createElement("section");
      element.className = "chart";
      const title = document.createElement("h3");
      title.textContent = spec.title;
      element.append(title);
      document.getElementById("charts").append(element);
      const low = Math.min(...spec.limits.map((limit) => limit.at), Infinity);
      const width = element.clientWidth - 20;
      const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
      const options = {
        width,
        height: width < 500 ? 140 : 160,
        padding: [12, 8, 0, 0],
        plugins: [marks(spec.limits, place === 0)],
        cursor: { sync: { key: "time" }, drag: { x: true, y: false } },
        scales: {
          x: { time: false },
          y: { range: (_, __, max) => [0, Math.max((max || 0) * (place === 0 ? 1.4 : 1.15), Number.isFinite(low) ? low * 1.4 : 0, 1e-6)] },
        },
        axes: [
          { ...axis, size: 28, space: 70, incrs: [5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 432000, 864000], values: (_, ticks) => ticks.map(span) },
          { ...axis, size: 48, values: (_, ticks) => ticks.map((v) => `${+v.toPrecision(3)}${spec.unit}`) },
        ],
        series: [
          { label: "at", value: (_, v) => span(v) },
          ...spec.series.map((line) => ({
            label: line.label,
            stroke: colour(line.colour),
            width: 1.5,
            dash: line.dashed ? [4, 3] : undefined,
            fill: line.filled ? colour(line.colour) + "22" : undefined,
            paths: line.steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
            points: { show: false },
            spanGaps: true,
            value: number(spec.unit),
          })),
        ],
      };
      charts.push([element, new uPlot(options, [data.times, ...spec.series.map((line) => line.values)], element)]);
    }
  };
  draw();
  let width = innerWidth;
  addEventListener("resize", () => {
    // A phone's address bar that comes and goes changes the height only.
    if (innerWidth !== width) {
      width = innerWidth;
      draw();
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
