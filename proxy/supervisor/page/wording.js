// How states, numbers and times are written.
//
// Not here: where they stand. Invariant: a value that is not known is said to be so, and never shown as a number.

import { element } from "./elements.js";
import { now } from "./polling.js";

export const STATES = {
  ok: ["✓", "ok", "Enough was compared, and nothing speaks against this vendor."],
  warn: ["!", "warn", "Some evidence, no alarm. More of its traffic is mirrored until it is settled; nothing to do."],
  degraded: [
    "▼",
    "degraded",
    "It has changed for the worse. Look at the evidence, move traffic, open a ticket with a bundle.",
  ],
  recovering: ["↗", "recovering", "It was degraded, and the evidence that this is over grows. Wait."],
  inconclusive: [
    "?",
    "inconclusive",
    "Too little was compared to say anything, or the reference fails. Mirror more, or look at the reference.",
  ],
  reference_suspect: [
    "⚑",
    "reference suspect",
    "What has alarmed speaks against the reference. Do not page the vendor; look at the reference.",
  ],
};

export function badge(state, sinceS) {
  const [sign, name] = STATES[state] ?? ["?", state];
  return element(
    "span",
    { class: "standing" },
    element("span", { class: `state ${state}` }, element("span", { "aria-hidden": "true" }, sign), ` ${name}`),
    sinceS ? element("span", { class: "quiet small" }, ` for ${span(now() - sinceS)}`) : null,
  );
}

export const thousands = (number) => Math.round(number).toLocaleString("en");
export const count = (number, name) => `${thousands(number)} ${name}${number === 1 ? "" : "s"}`;
export const inAll = (all, lately) => [
  thousands(all),
  all !== lately && element("span", { class: "quiet" }, `, ${thousands(lately)} in the window`),
];
export const percent = (share) => `${digits(share * 100)}\u00a0%`;
const digits = (number) => (Math.abs(number) >= 100 ? number.toFixed(0) : String(Number(number.toPrecision(3))));
export const power = (natural) => `10^${((natural ?? 0) * Math.LOG10E).toFixed(1)}`;
export const isRate = (kind) => kind === "rate" || kind === "offset" || kind === "baseline";
export const words = (name) => name.replaceAll("_", " ");
export const clock = (unixS) => `${new Date(unixS * 1000).toISOString().slice(0, 19).replace("T", " ")}Z`;

export const shareOf = ({ log_evidence: evidence, log_threshold: threshold }) =>
  threshold > 0 ? Math.max(0, (evidence ?? 0) / threshold) : 1;

export function effectOf({ kind, effect, lower, upper }) {
  if (effect === null || effect === undefined) return "too few values";
  const written = (value) => (isRate(kind) || value < 0 ? "" : "+") + percent(value);
  return written(effect) + (lower === null || upper === null ? "" : ` [${written(lower)}, ${written(upper)}]`);
}

export function moment(unixS) {
  return element(
    "time",
    { datetime: new Date(unixS * 1000).toISOString() },
    clock(unixS).slice(0, 10) === clock(now()).slice(0, 10) ? clock(unixS).slice(11) : clock(unixS),
  );
}

export function span(seconds) {
  for (const [size, unit] of [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
  ])
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  return `${Math.max(0, Math.floor(seconds))} s`;
}
