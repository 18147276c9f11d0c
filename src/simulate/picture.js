"use strict";
// Draws the data of the page, over the time since its first call.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const span = (s) => {
    if (s == null) return "";
    const [d, h, m, r] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60, Math.round(s % 60)];
    const two = (n) => String(n).padStart(2, "0");
    if (d) return h || m ? `${d}d${two(h)}h` : `${d}d`;
    if (h) return r ? `${h}h${two(m)}m${two(r)}` : m ? `${h}h${two(m)}` : `${h}h`;
    return r ? (m ? `${m}m${two(r)}` : `${r}s`) : `${m}m`;
  };
  const time = {
    incrs: [5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 432000, 864000],
    values: (_, ticks) => ticks.map(span),
    said: span,
    gaps: true,
    zoom: true,
  };
  charts.stack(document.getElementById("charts"), time, () => data);
})();
