// The page on the admin port: vendors at a glance, the evidence for an alarm, two answers side by side.
//
// Here: the frame, what is wrong at the top, and which view is shown. It makes the whole anew from what is held, and
// only what differs is changed in the document. Not here: asking (polling.js), the views (vendors.js, evidence.js).
// Invariant: an answer that a view cannot read is said to be so, and ends neither the asking nor the other views.

import { element, show, visible } from "./elements.js";
import { evidenceView } from "./evidence.js";
import { STATUS_EVERY_S, begin, model, place, redraw } from "./polling.js";
import { overview, vendorView } from "./vendors.js";
import { clock, count, span, thousands } from "./wording.js";

const LOST = {
  answers_dropped: "answers were not looked at (the scorer did not take them)",
  mirror_shed: "mirrored requests were dropped before they were compared",
  mirror_expired: "pairs were not complete in time",
  log_failures: "writes of the log failed (what was not written is written with the next)",
  bodies_unkept: "bodies were not kept (too many at once)",
  defects: "exchanges were lost to a defect of the scorer; see its log",
  log_lines_dropped: "log lines were dropped (whoever reads stderr was too slow)",
};

const VIEWS = { overview, vendor: vendorView, alarm: evidenceView, signal: evidenceView };

function draw() {
  try {
    show("trouble", troubles().map(trouble));
    show("fresh", freshness());
    if (model.status) drawView(model.status);
  } catch (error) {
    console.error(error);
    const hint = "Reload it: it may be of another version than the proxy. /status has it as the proxy said it.";
    show("trouble", trouble(["bad", `This page cannot show what the proxy said: ${error.message}.`, hint]));
  }
}

const trouble = ([kind, text, hint]) =>
  element(
    "p",
    { class: `trouble ${kind}` },
    element("strong", {}, kind === "bad" ? "Wrong: " : "Note: "),
    text,
    hint && [" ", element("span", { class: "quiet" }, hint)],
  );

function drawView(status) {
  show("running", `${status.phase}, configuration ${status.config.hash}, up ${span(status.uptime_s)}`);
  show("about", about(status));
  const where = place();
  const [title, content] = VIEWS[where.kind](status, where);
  document.title = title ? visible(`${title} - Paramwall`) : "Paramwall";
  show("view", content);
  const focused = document.getElementById(model.focus);
  if (focused) {
    focused.focus();
    model.focus = null;
  }
}

const freshness = () => {
  if (model.lostSinceS !== null) return "connection lost";
  return model.status ? `as of ${clock(model.asOfS).slice(11)}` : "";
};

function about(status) {
  const { workers, scorer, mirror } = status;
  const memory = [...workers, ...(scorer ? [scorer] : [])].reduce((sum, each) => sum + each.resident_bytes, 0);
  return [
    `Paramwall ${status.version}. ${count(workers.length, "worker")}, `,
    `${count(status.in_flight, "request")} under way, ${Math.round(memory / 2 ** 20)} MiB. `,
    mirror?.reference
      ? `Reference: ${mirror.reference}, ${count(mirror.open_pairs, "open pair")}. `
      : "No reference: answers are checked, not compared. ",
    "Times are UTC. ",
    element("a", { href: "status" }, "/status"),
    " and ",
    element("a", { href: "metrics" }, "/metrics"),
    " have all of it.",
  ];
}

function troubles() {
  const { status } = model;
  const found = [];
  if (model.lostSinceS !== null)
    found.push([
      "bad",
      `The connection to the proxy is lost since ${clock(model.lostSinceS)}: ${model.failure}.`,
      status ? `What is below is as it was then; it is tried again every ${STATUS_EVERY_S} s.` : "",
    ]);
  return status
    ? [...found, ...ofProxy(status), ...ofScoring(status), ...ofReference(status), ...lossesOf(status)]
    : found;
}

function ofProxy(status) {
  const found = [];
  const { last_load: loading, hash } = status.config;
  if (status.phase === "draining")
    found.push(["bad", "The proxy is stopping: it finishes what is under way and takes nothing new."]);
  else if (status.not_ready) found.push(["bad", `Not ready: ${status.not_ready}.`, "Its log names the cause."]);
  if (!loading.successful)
    found.push([
      "bad",
      `The configuration was not loaded (${loading.cause}, ${loading.at}); ${hash} stays in use: ${loading.error}.`,
      "paramwall check lists all its problems.",
    ]);
  return found;
}

function ofScoring(status) {
  const found = [];
  if (status.scoring && status.scorer?.state !== "serving")
    found.push([
      "bad",
      status.scorer
        ? "The scorer is not ready yet."
        : "There is no scorer: requests pass, and nobody looks at the answers.",
      "What is below is what it said last. It is started again by itself; its log names the cause.",
    ]);
  if (!status.scoring)
    found.push([
      "note",
      "Checks are off: `signals: {fraction: 0%}` and no reference.",
      "Nothing can be said of the vendors.",
    ]);
  return found;
}

function ofReference(status) {
  const found = [];
  if (status.mirror?.paused)
    found.push([
      "bad",
      "The reference asked for a rest (429). Nothing is compared meanwhile.",
      "Raise its limit, or lower mirror.fraction.",
    ]);
  for (const view of status.drift) {
    const failed = view.reference_failures_in_window;
    const all = failed + view.pairs_in_window;
    if (failed > 0.01 * all)
      found.push([
        "bad",
        `The reference failed for ${failed} of ${all} mirrored requests of ${view.key.vendor}, ${view.key.mode}.`,
        "Then no vendor is called ok.",
      ]);
  }
  return found;
}

function lossesOf(status) {
  const lost = Object.entries(status.lost ?? {}).filter(([, number]) => number > 0);
  const said = lost.map(([name, number]) => `${thousands(number)} ${LOST[name] ?? name}`).join("; ");
  return lost.length ? [["note", `Lost since the start: ${said}.`]] : [];
}

addEventListener("hashchange", () => {
  model.focus = place().pair === undefined ? "title" : "pair";
  redraw();
  if (place().kind === "overview") scrollTo(0, 0);
});
begin(draw);
