// Charts: evidence and effect over time, as SVG.
//
// Not here: which series is drawn where. Invariant: a chart has a name that says what it shows, its line is broken
// where nothing is known, and it ends with what is known now.

import { drawing, element, figure } from "./elements.js";
import { HISTORY_EVERY_S, now, query, wanted } from "./polling.js";
import { clock, effectOf, isRate, percent, shareOf, thousands } from "./wording.js";

// The past of one series, as far as the proxy has it.
export function historyOf({ vendor, mode }, signal) {
  const history = wanted(query("history", { vendor, mode, signal }), HISTORY_EVERY_S).said;
  return [history, history?.series[0]];
}

export function charts(series, drawn, history) {
  const at = history?.at_s ?? [];
  const points = (name, last) => [...(drawn?.[name] ?? at.map(() => null)), last];
  const times = [...at, now()];
  const breakS = 3 * (history?.step_s ?? 10);
  const shares = points("evidence", shareOf(series));
  return [
    figure(
      "evidence now",
      `${percent(shareOf(series))} of an alarm`,
      chart(`evidence of ${series.name}, ${percent(shareOf(series))} of an alarm now`, {
        times,
        breakS,
        line: shares,
        fill: true,
        low: 0,
        high: Math.max(1.15, ...shares.map((each) => (each ?? 0) * 1.05)),
        rules: [[1, "limit"]],
        mark: series.changepoint_s,
      }),
    ),
    figure(
      "effect now",
      effectOf(series),
      chart(`effect of ${series.name}: ${effectOf(series)}`, effectShape(series, points, times, breakS)),
    ),
    element("p", { class: "times" }, element("span", {}, clock(times[0])), element("span", {}, "now")),
    element(
      "p",
      { class: "quiet small" },
      `${thousands(series.n)} values; up to ${percent(series.tolerance)} is no drift`,
      series.changepoint_s !== null && [`; the change began ${clock(series.changepoint_s)} (dotted line)`],
      series.calibrating && "; still learning what is usual",
    ),
  ];
}

function effectShape(series, points, times, breakS) {
  const [line, lower, upper] = ["effect", "lower", "upper"].map((name) => points(name, series[name]));
  const rate = isRate(series.kind);
  const known = [...line, ...lower, ...upper, series.tolerance, rate ? 0 : -series.tolerance].filter(
    (each) => each !== null,
  );
  const low = Math.min(...known),
    high = Math.max(...known),
    room = (high - low || 1) * 0.08;
  const rules = [
    [series.tolerance, "tolerated"],
    ...(rate
      ? []
      : [
          [-series.tolerance, "tolerated"],
          [0, "zero"],
        ]),
  ];
  return {
    times,
    breakS,
    line,
    lower,
    upper,
    low: rate ? 0 : low - room,
    high: high + room,
    rules,
    mark: series.changepoint_s,
  };
}

export function meter(share) {
  const full = Math.min(1, share);
  return element(
    "span",
    { class: "meter" },
    drawing(
      "svg",
      { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
      drawing("rect", { class: "rest", width: 100, height: 6 }),
      drawing("rect", { class: share >= 1 ? "full" : "part", width: 100 * full, height: 6 }),
    ),
    element("span", { class: "small" }, `${percent(share)} of an alarm`),
  );
}

export function sparkline(view, series) {
  const [history, drawn] = historyOf(view.key, series.name);
  const shares = [...(drawn?.evidence ?? []), shareOf(series)];
  const times = [...(drawn ? history.at_s : []), now()];
  return chart(
    `evidence of ${series.name} over time`,
    {
      times,
      breakS: 3 * (history?.step_s ?? 10),
      line: shares,
      fill: true,
      low: 0,
      high: Math.max(1.15, ...shares.map((each) => each ?? 0)),
      rules: [[1, "limit"]],
    },
    "spark",
  );
}

// `line`, `lower` and `upper` are values at `times`, null where there is none; a silence longer than `breakS` breaks
// them.
function chart(label, { times, breakS, line, lower, upper, low, high, rules, mark, fill }, kind = "chart") {
  const width = 300,
    height = 60,
    first = times[0],
    last = times.at(-1);
  const x = (at) => (last > first ? ((at - first) / (last - first)) * width : width);
  const y = (value) => 1 + (1 - (Math.min(high, Math.max(low, value)) - low) / (high - low || 1)) * (height - 2);
  const at = (index, value) => `${x(times[index]).toFixed(1)} ${y(value).toFixed(1)}`;
  const foot = (index) => `${x(times[index]).toFixed(1)} ${height}`;
  const runs = runsOf(line, times, breakS);
  const band = lower
    ? runsOf(
        lower.map((value, index) => (value === null || upper[index] === null ? null : value)),
        times,
        breakS,
      )
    : [];
  return drawing(
    "svg",
    { class: kind, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    band.map((run) =>
      drawing("path", {
        class: "band",
        d: `M${run.map((i) => at(i, lower[i])).join("L")}L${[...run]
          .reverse()
          .map((i) => at(i, upper[i]))
          .join("L")}Z`,
      }),
    ),
    fill
      ? runs.map((run) =>
          drawing("path", {
            class: "area",
            d: `M${foot(run[0])}L${run.map((i) => at(i, line[i])).join("L")}L${foot(run.at(-1))}Z`,
          }),
        )
      : null,
    rules.map(([value, name]) =>
      drawing("line", { class: name, x1: 0, x2: width, y1: y(value).toFixed(1), y2: y(value).toFixed(1) }),
    ),
    mark && mark >= first
      ? drawing("line", { class: "mark", x1: x(mark).toFixed(1), x2: x(mark).toFixed(1), y1: 0, y2: height })
      : null,
    runs.map((run) =>
      drawing("path", {
        class: "line",
        d: `M${run.length > 1 ? run.map((i) => at(i, line[i])).join("L") : `${at(run[0], line[run[0]])}h0.1`}`,
      }),
    ),
  );
}

function runsOf(values, times, breakS) {
  const runs = [];
  values.forEach((value, index) => {
    if (value === null) return;
    const run = runs.at(-1);
    if (run && run.at(-1) === index - 1 && times[index] - times[index - 1] <= breakS) run.push(index);
    else runs.push([index]);
  });
  return runs;
}
