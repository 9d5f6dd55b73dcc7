// The page on the admin port: vendors at a glance, the evidence for an alarm, two answers side by side.
//
// It asks /status every few seconds, /history and /evidence for what is looked at, makes the whole view anew from what it
// holds, and changes in the document only what differs. Invariant: whatever came from a model or a client becomes text,
// never markup: every node is made by `element`, every text by `createTextNode`.

const STATUS_EVERY_S = 3;
const HISTORY_EVERY_S = 10;
const EVIDENCE_EVERY_S = 30;
const ONCE_S = 1e9;
const GIVE_UP_S = 8;
const ROWS_AT_FIRST = 6;
const FEWEST_CARDS = 3;
const MOST_CARDS = 12;
const SPEAKS = 0.05; // of an alarm: less is no matter for a chart

const STATES = {
  ok: ["✓", "ok", "Enough was compared, and nothing speaks against this vendor."],
  warn: ["!", "warn", "Some evidence, no alarm. More of its traffic is mirrored until it is settled; nothing to do."],
  degraded: ["▼", "degraded", "It has changed for the worse. Look at the evidence, move traffic, open a ticket with a bundle."],
  recovering: ["↗", "recovering", "It was degraded, and the evidence that this is over grows. Wait."],
  inconclusive: ["?", "inconclusive", "Too little was compared to say anything, or the reference fails. Mirror more, or look at the reference."],
  reference_suspect: ["⚑", "reference suspect", "What has alarmed speaks against the reference. Do not page the vendor; look at the reference."],
};

const GRAVITY = ["degraded", "reference_suspect", "recovering", "warn", "inconclusive", "ok"];

const LOST = {
  answers_dropped: "answers were not looked at (the scorer did not take them)",
  mirror_shed: "mirrored requests were dropped before they were compared",
  mirror_expired: "pairs were not complete in time",
  log_failures: "writes of the log failed (what was not written is written with the next)",
  bodies_unkept: "bodies were not kept (too many at once)",
  defects: "exchanges were lost to a defect of the scorer; see its log",
  log_lines_dropped: "log lines were dropped (whoever reads stderr was too slow)",
};

// What is held

const model = { status: null, lostSince: null, failure: "", skewMs: 0, everyRow: false, focus: null };
const held = new Map();
let renders = 0;

async function load(url) {
  const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_S * 1000) });
  const date = Date.parse(response.headers.get("Date") ?? "");
  if (Number.isFinite(date)) model.skewMs = date - Date.now();
  const said = await response.json().catch(() => ({ error: `HTTP ${response.status}`, hint: "" }));
  return response.ok ? { said } : { refused: said };
}

// What a view needs: what is known of it now, and to be asked for again when that is old.
function wanted(url, everyS) {
  const entry = held.get(url) ?? { at: -Infinity };
  entry.render = renders;
  held.set(url, entry);
  if (!entry.busy && performance.now() - entry.at > everyS * 1000) {
    entry.busy = true;
    load(url)
      .then((found) => Object.assign(entry, { said: undefined, refused: undefined }, found))
      .then(() => { entry.at = performance.now(); })
      .catch(() => { entry.at = performance.now() - (everyS - STATUS_EVERY_S) * 1000; }) // /status tells that it failed
      .finally(() => { entry.busy = false; render(); });
  }
  return entry;
}

async function refresh() {
  try {
    const { said, refused } = await load("status");
    if (refused) throw new Error(refused.error);
    // A scorer that is away says nothing; what it said last is still the best that is known.
    if (!said.drift.length && !said.scorer && model.status) Object.assign(said, { drift: model.status.drift, alarms: model.status.alarms });
    model.status = said;
    model.lostSince = null;
  } catch (error) {
    model.lostSince ??= Date.now();
    model.failure = error.name === "TimeoutError" ? `no answer within ${GIVE_UP_S} s` : error.message;
  }
  render();
}

async function forever() {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, STATUS_EVERY_S * 1000);
      document.addEventListener("visibilitychange", () => { clearTimeout(timer); resolve(); }, { once: true });
    });
  }
}

// Where we are: #, #vendor/NAME/MODE, #vendor/NAME/MODE/SIGNAL, #alarm/N; the last two with /pair/ID

function place() {
  const parts = location.hash.slice(1).split("/").map(decoded);
  const at = parts.lastIndexOf("pair");
  const pair = at > 1 && at === parts.length - 2 ? parts[at + 1] : undefined;
  const [kind, ...rest] = pair === undefined ? parts : parts.slice(0, at);
  if (kind === "alarm" && rest.length === 1) return { kind, alarm: rest[0], pair };
  if (kind === "vendor" && rest.length === 2) return { kind, vendor: rest[0], mode: rest[1] };
  if (kind === "vendor" && rest.length === 3) return { kind: "signal", vendor: rest[0], mode: rest[1], signal: rest[2], pair };
  return { kind: "overview" };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const link = (...parts) => `#${parts.map((part) => encodeURIComponent(part)).join("/")}`;
const query = (path, asked) => `${path}?${new URLSearchParams(asked)}`;

// The whole

function render() {
  renders += 1;
  const { status } = model;
  show("trouble", troubles().map(([kind, text, hint]) => element("p", { class: `trouble ${kind}` },
    element("strong", {}, kind === "bad" ? "Wrong: " : "Note: "), text, hint && [" ", element("span", { class: "quiet" }, hint)])));
  show("fresh", freshness());
  if (!status) return;
  show("running", `${status.phase}, configuration ${status.config.hash}, up ${span(status.uptime_s)}`);
  show("about", about(status));
  const where = place();
  const [title, content] = { overview, vendor: vendorView, alarm: evidenceView, signal: evidenceView }[where.kind](status, where);
  document.title = title ? `${title} - Paramwall` : "Paramwall";
  show("view", content);
  const focused = document.getElementById(model.focus);
  if (focused) {
    focused.focus();
    model.focus = null;
  }
  for (const [url, entry] of held) if (entry.render < renders - 20 && !entry.busy) held.delete(url);
}

const freshness = () => {
  if (model.lostSince !== null) return "connection lost";
  return model.status ? `as of ${clock(now()).slice(11)}` : "";
};

function about(status) {
  const { workers, scorer, mirror } = status;
  const memory = [...workers, ...(scorer ? [scorer] : [])].reduce((sum, each) => sum + each.resident_bytes, 0);
  return [
    `Paramwall ${status.version}. ${count(workers.length, "worker")}, ${count(status.in_flight, "request")} under way, ${Math.round(memory / 2 ** 20)} MiB. `,
    mirror?.reference ? `Reference: ${mirror.reference}, ${count(mirror.open_pairs, "open pair")}. ` : "No reference: answers are checked, not compared. ",
    "Times are UTC. ", element("a", { href: "status" }, "/status"), " and ", element("a", { href: "metrics" }, "/metrics"), " have all of it.",
  ];
}

function troubles() {
  const { status } = model;
  const found = [];
  if (model.lostSince !== null)
    found.push(["bad", `The connection to the proxy is lost since ${clock(model.lostSince / 1000)}: ${model.failure}.`,
      status ? `What is below is as it was then; it is tried again every ${STATUS_EVERY_S} s.` : ""]);
  if (!status) return found;
  const { last_load: loading, hash } = status.config;
  if (status.phase === "draining") found.push(["bad", "The proxy is stopping: it finishes what is under way and takes nothing new."]);
  else if (status.not_ready) found.push(["bad", `Not ready: ${status.not_ready}.`, "Its log names the cause."]);
  if (!loading.successful)
    found.push(["bad", `The configuration was not loaded (${loading.cause}, ${loading.at}); ${hash} stays in use: ${loading.error}.`,
      "paramwall check lists all its problems."]);
  if (status.scoring && status.scorer?.state !== "serving")
    found.push(["bad", status.scorer ? "The scorer is not ready yet." : "There is no scorer: requests pass, and nobody looks at the answers.",
      "What is below is what it said last. It is started again by itself; its log names the cause."]);
  if (!status.scoring) found.push(["note", "Checks are off: `signals: {fraction: 0%}` and no reference.", "Nothing can be said of the vendors."]);
  if (status.mirror?.paused) found.push(["bad", "The reference asked for a rest (429). Nothing is compared meanwhile.", "Raise its limit, or lower mirror.fraction."]);
  for (const view of status.drift) {
    const failed = view.reference_failures_in_window, all = failed + view.pairs_in_window;
    if (failed > 0.01 * all) found.push(["bad", `The reference failed for ${failed} of ${all} mirrored requests of ${view.key.vendor}, ${view.key.mode}.`, "Then no vendor is called ok."]);
  }
  const lost = Object.entries(status.lost ?? {}).filter(([, number]) => number > 0);
  if (lost.length) found.push(["note", `Lost since the start: ${lost.map(([name, number]) => `${thousands(number)} ${LOST[name] ?? name}`).join("; ")}.`]);
  return found;
}

// All vendors

function overview(status) {
  const bad = new Set(status.drift.filter(({ state }) => state === "degraded").map(({ key }) => key.vendor));
  return [bad.size ? `${bad.size} degraded` : "", [
    element("section", { "aria-labelledby": "vendors" }, element("h2", { id: "vendors" }, "Vendors", bad.size > 0 && `: ${[...bad].join(", ")} ${bad.size > 1 ? "are" : "is"} degraded`), vendorTable(status)),
    status.drift.length ? null : firstSteps(status),
    element("section", { "aria-labelledby": "alarms" }, element("h2", { id: "alarms" }, "Alarms"), alarmTable(status)),
  ]];
}

function vendorTable(status) {
  const columns = ["mode", "state", "closest to an alarm", "effect", "pairs", "answers"];
  const viewsOf = (vendor) => status.drift.filter((view) => view.key.vendor === vendor.name);
  // The gravest first, those without an answer last; beyond that as configured.
  const gravity = (vendor) => Math.min(GRAVITY.length, ...viewsOf(vendor).map(({ state }) => GRAVITY.indexOf(state)));
  const vendors = [...status.vendors].sort((one, other) => gravity(one) - gravity(other));
  return table("stacked vendors", "Vendors, and how each stands in each mode", columns, vendors.map((vendor) => {
    const views = viewsOf(vendor);
    return element("tbody", { role: "rowgroup", "data-key": vendor.name },
      element("tr", { role: "row", class: "group" }, element("th", { role: "rowheader", scope: "rowgroup", colspan: columns.length },
        element("span", { class: "name" }, vendor.name), " ",
        element("span", { class: "quiet" }, `${vendor.url}, ${vendor.policy}, ${vendor.enforcement}, ${count(vendor.requests, "request")}`,
          views.length ? "" : "; no answer was checked yet"))),
      views.map((view) => vendorRow(view, columns)));
  }));
}

function vendorRow(view, columns) {
  const { vendor, mode } = view.key;
  const leading = view.series.find((series) => series.name === view.leading);
  return cells(columns, [
    element("a", { href: link("vendor", vendor, mode) }, mode, element("span", { class: "unseen" }, ` of ${vendor}`)),
    badge(view.state, view.at_s),
    leading ? element("div", { class: "leading" }, element("a", { href: link("vendor", vendor, mode, leading.name) }, leading.name),
      sparkline(view, leading), meter(shareOf(leading))) : "-",
    leading ? effectOf(leading) : "-",
    inAll(view.pairs, view.pairs_in_window),
    inAll(view.answers, view.answers_in_window),
  ], { "data-key": mode }, 0);
}

function firstSteps(status) {
  const base = `${status.listen[0]}/v1`;
  return element("section", { class: "card", "aria-labelledby": "first" }, element("h2", { id: "first" }, "What to do next"),
    element("ol", {},
      element("li", {}, "Point a client at the proxy; its base URL is ", element("code", {}, base), "."),
      status.mirror?.reference ? null : element("li", {}, "Name a reference that you trust (", element("code", {}, "--reference URL"),
        ") to have answers compared. Without one they are only checked against what no answer may do."),
      status.evidence.state_dir ? null : element("li", {}, "Name a folder for the log (", element("code", {}, "--state-dir DIR"),
        "). Without one the evidence is lost at a restart, and the answers behind an alarm cannot be looked at."),
      element("li", {}, "A vendor is called ok or degraded after 50 pairs in a day and mode: at 1 % mirrored, 5,000 requests.")));
}

function alarmTable(status) {
  if (!status.alarms.length) return element("p", { class: "quiet" }, "No alarm so far.");
  const columns = ["alarm", "at", "vendor", "signal", "effect", "change began", "recovered"];
  return table("stacked", "The newest alarms", columns, element("tbody", { role: "rowgroup" }, [...status.alarms].reverse().map((alarm) => cells(columns, [
    element("a", { href: link("alarm", alarm.number) }, `#${alarm.number}`),
    moment(alarm.at_s),
    `${alarm.key.vendor}, ${alarm.key.mode}`,
    alarm.suspect ? `${alarm.series} (against the reference)` : alarm.series,
    effectOf(alarm),
    moment(alarm.changepoint_s),
    alarm.recovered_at_s === null ? element("strong", {}, "lasts") : moment(alarm.recovered_at_s),
  ], { "data-key": alarm.number }, 0))));
}

// One vendor in one mode

function vendorView(status, where) {
  const view = status.drift.find(({ key }) => key.vendor === where.vendor && key.mode === where.mode);
  const vendor = status.vendors.find(({ name }) => name === where.vendor);
  const title = `${where.vendor}, ${where.mode}`;
  if (!view) return [title, [back(), heading(title), element("p", {}, "Nothing was checked of this vendor in this mode yet.")]];
  const series = view.series.filter(({ n }) => n > 0).sort((one, other) => (other.alarmed_at_s !== null) - (one.alarmed_at_s !== null) || shareOf(other) - shareOf(one));
  const speaking = series.filter((each) => each.alarmed_at_s !== null || shareOf(each) >= SPEAKS).length;
  const cards = Math.min(MOST_CARDS, Math.max(FEWEST_CARDS, speaking));
  const fraction = status.mirror?.fractions[where.vendor];
  return [title, [
    back(), heading(title),
    element("p", {}, badge(view.state, view.at_s)), element("p", {}, STATES[view.state]?.[2]),
    facts([
      ["where", vendor?.url], ["policy", vendor && `${vendor.policy}, ${vendor.enforcement}; profile ${vendor.profile}`],
      ["credentials", vendor && (vendor.credentials === "pass" ? "the client's own" : "held by the proxy")],
      ["requests", vendor && thousands(vendor.requests)],
      ["answers checked", inAll(view.answers, view.answers_in_window)],
      ["pairs compared", inAll(view.pairs, view.pairs_in_window)],
      ["mirrored now", fraction === undefined ? "nothing" : percent(fraction)],
    ]),
    element("h3", {}, "Signals"),
    element("p", { class: "quiet" }, "Evidence is shown as the share of what an alarm takes. Charts begin with the proxy's start, and go back 43 hours at most."),
    element("div", { class: "cards" }, series.slice(0, cards).map((each) => card(view, each))),
    series.length > cards ? element("details", {}, element("summary", {}, `${series.length - cards} more signals, further from an alarm`), seriesTable(view, series.slice(cards))) : null,
  ]];
}

// The past of one series, as far as the proxy has it.
function historyOf({ vendor, mode }, signal) {
  const history = wanted(query("history", { vendor, mode, signal }), HISTORY_EVERY_S).said;
  return [history, history?.series[0]];
}

function card(view, series) {
  const [history, drawn] = historyOf(view.key, series.name);
  return element("article", { class: "card", "data-key": series.name },
    element("h4", {}, element("a", { href: link("vendor", view.key.vendor, view.key.mode, series.name) }, series.name), series.alarmed_at_s !== null && element("span", { class: "tag" }, series.suspect ? "alarm against the reference" : "alarm")),
    element("p", { class: "quiet small" }, drawn?.finds),
    charts(series, drawn, history));
}

function charts(series, drawn, history) {
  const at = history?.at_s ?? [];
  const points = (name, now) => [...(drawn?.[name] ?? at.map(() => null)), now];
  const times = [...at, now()];
  const breakS = 3 * (history?.step_s ?? 10);
  const shares = points("evidence", shareOf(series));
  return [
    figure("evidence now", `${percent(shareOf(series))} of an alarm`, chart(`evidence of ${series.name}, ${percent(shareOf(series))} of an alarm now`, {
      times, breakS, line: shares, fill: true, low: 0, high: Math.max(1.15, ...shares.map((each) => (each ?? 0) * 1.05)), rules: [[1, "limit"]], mark: series.changepoint_s })),
    figure("effect now", effectOf(series), chart(`effect of ${series.name}: ${effectOf(series)}`, effectShape(series, points, times, breakS))),
    element("p", { class: "times" }, element("span", {}, clock(times[0])), element("span", {}, "now")),
    element("p", { class: "quiet small" }, `${thousands(series.n)} values; up to ${percent(series.tolerance)} is no drift`,
      series.changepoint_s !== null && [`; the change began ${clock(series.changepoint_s)} (dotted line)`], series.calibrating && "; still learning what is usual"),
  ];
}

function effectShape(series, points, times, breakS) {
  const [line, lower, upper] = ["effect", "lower", "upper"].map((name) => points(name, series[name]));
  const rate = isRate(series.kind);
  const known = [...line, ...lower, ...upper, series.tolerance, rate ? 0 : -series.tolerance].filter((each) => each !== null);
  const low = Math.min(...known), high = Math.max(...known), room = (high - low || 1) * 0.08;
  const rules = [[series.tolerance, "tolerated"], ...(rate ? [] : [[-series.tolerance, "tolerated"], [0, "zero"]])];
  return { times, breakS, line, lower, upper, low: rate ? 0 : low - room, high: high + room, rules, mark: series.changepoint_s };
}

function seriesTable(view, series) {
  const columns = ["signal", "evidence", "effect", "values"];
  return table("", "Further signals", columns, element("tbody", { role: "rowgroup" }, series.map((each) => cells(columns, [
    element("a", { href: link("vendor", view.key.vendor, view.key.mode, each.name) }, each.name), percent(shareOf(each)), effectOf(each), thousands(each.n),
  ], { "data-key": each.name }, 0))));
}

// An alarm, or a signal without one, and what is behind it

function evidenceView(status, where) {
  const asked = where.kind === "alarm" ? { alarm: where.alarm } : { vendor: where.vendor, mode: where.mode, signal: where.signal };
  const title = where.kind === "alarm" ? `Alarm ${where.alarm}` : `${where.signal} of ${where.vendor}, ${where.mode}`;
  const { said, refused } = wanted(query("evidence", asked), EVIDENCE_EVERY_S);
  // Without the log there is still what the scorer tells.
  const alarm = said ? said.subject.alarm : status.alarms.find(({ number }) => String(number) === where.alarm);
  const key = said?.subject.key ?? alarm?.key ?? where, name = said?.subject.series.name ?? alarm?.series ?? where.signal;
  const view = status.drift.find((each) => each.key.vendor === key.vendor && each.key.mode === key.mode);
  const series = view?.series.find((each) => each.name === name);
  const [history, drawn] = key.vendor && name ? historyOf(key, name) : [];
  const whole = where.kind === "alarm" && alarm ? `${title}: ${name} of ${key.vendor}` : title;
  const base = where.kind === "alarm" ? ["alarm", where.alarm] : ["vendor", where.vendor, where.mode, where.signal];
  return [whole, [
    key.vendor ? back(["vendor", key.vendor, key.mode], `${key.vendor}, ${key.mode}`) : back(), heading(whole),
    alarm ? alarmSays(alarm, said?.subject.state ?? view?.state) : null,
    drawn ? element("p", { class: "quiet" }, `${name} finds ${drawn.finds}.`) : null,
    series ? element("div", { class: "card wide" }, charts(series, drawn, history)) : null,
    refused ? refusal(refused) : said ? behind(said, where, base) : element("p", { class: "quiet" }, "Reading the log."),
    alarm && said ? nextSteps(where, status, key) : null,
  ]];
}

function alarmSays(alarm, state) {
  const what = alarm.suspect ? `speaks against the reference, not against ${alarm.key.vendor}` : `${alarm.key.vendor} changed in ${alarm.key.mode} mode`;
  return [
    element("p", {}, state && badge(state), " ", element("strong", {}, alarm.series), `: ${what}, at about ${clock(alarm.changepoint_s)}, by ${effectOf(alarm)}.`),
    facts([
      ["alarm", moment(alarm.at_s)], ["the change began", [moment(alarm.changepoint_s), `, ${count(alarm.values, "value")} before`]],
      ["effect at the alarm", effectOf(alarm)], ["evidence at the alarm", `${percent(shareOf(alarm))} of an alarm (${power(alarm.log_evidence)} of ${power(alarm.log_threshold)})`],
      ["recovered", alarm.recovered_at_s === null ? "no, it lasts" : moment(alarm.recovered_at_s)],
    ]),
  ];
}

const refusal = ({ error, hint }) => element("p", { class: "trouble note" }, element("strong", {}, "What is behind it cannot be shown: "), `${error}. `, hint && element("span", { class: "quiet" }, `Remedy: ${hint}.`));

function behind(said, where, base) {
  const { rows, kept, count: all, subject } = said;
  const shown = model.everyRow ? rows : rows.slice(0, ROWS_AT_FIRST);
  const pair = where.pair ?? rows.find((row) => row.number && row.request_id && row.against === 1)?.number ?? kept[0]?.request_id;
  return [
    element("h3", {}, "What it rests on"),
    element("p", {}, `${all.more ? "The first " : ""}${count(all.rows, "row")} ${subject.since_s ? `since ${clock(subject.since_s)}` : "of the log"} say something: ${thousands(all.against)} against the vendor, ${thousands(all.contrary)} for it.`),
    shown.length ? rowTable(shown, base, String(pair)) : null,
    rows.length > shown.length ? element("button", { type: "button", onclick: () => { model.everyRow = true; render(); } }, `Show ${rows.length - shown.length} more`) : null,
    all.rows > rows.length && model.everyRow ? element("p", { class: "quiet" }, `${thousands(all.rows - rows.length)} more are in the log: paramwall evidence --json has them.`) : null,
    keptList(kept, rows, base, String(pair)),
    said.bodies_hidden ? element("p", { class: "quiet" }, `Requests and answers are not shown here: ${said.bodies_hidden}.`) : null,
    pair === undefined ? null : pairView(String(pair)),
  ];
}

function rowTable(rows, base, open) {
  // Checked answers are logged by their count; only pairs have a number, an id and another side.
  const columns = rows.some(({ number }) => number) ? ["at", "pair", "request id", "vendor", "reference", "says"] : ["at", "vendor", "says"];
  const written = (row) => ({
    at: moment(row.at_s), vendor: row.vendor, reference: row.reference, "request id": row.request_id || "-",
    pair: row.number ? pairLink(base, row.number, open) : "-",
    says: row.against === 1 ? "against" : row.against === -1 ? "for" : "-",
  });
  return table("rows", "Rows of the log in which the signal speaks", columns, element("tbody", { role: "rowgroup" }, rows.map((row) =>
    cells(columns, columns.map((name) => written(row)[name]), String(row.number) === open ? { class: "open" } : {}))));
}

const pairLink = (base, id, open) => element("a", { href: link(...base, "pair", id), "aria-current": String(id) === open ? "true" : null }, id);

// What was kept because of this signal, where the rows do not lead there.
function keptList(kept, rows, base, open) {
  const others = kept.filter(({ request_id: id }) => !rows.some((row) => row.request_id === id));
  return others.length ? element("p", {}, "Kept because of this signal: ", others.map(({ request_id: id }, index) => [index > 0 && ", ", pairLink(base, id, open)]), ".") : null;
}

function nextSteps(where, status, { vendor }) {
  const folder = status.evidence.state_dir;
  return [
    element("h3", {}, "In a terminal"),
    element("pre", { class: "card", tabindex: 0 }, [
      `paramwall evidence ${where.alarm ?? ""} --state-dir ${folder} --bundle ticket.zip    # for the vendor`,
      `paramwall status --state-dir ${folder} --acknowledge ${vendor} --note "why"    # accept it as it is now`,
    ].join("\n")),
  ];
}

// One pair

function pairView(id) {
  const { said, refused } = wanted(query("evidence", { pair: id }), ONCE_S);
  const title = element("h3", { id: "pair", tabindex: -1 }, `Pair ${id}`);
  if (refused) return [title, refusal(refused)];
  if (!said) return [title, element("p", { class: "quiet" }, "Reading it.")];
  const { kept, row, shortened } = said;
  const cut = [...(kept?.cut ?? []).map((name) => `${words(name)} when it was kept`), ...shortened.map((name) => `${words(name)} for this page`)];
  return [
    title,
    row ? element("p", { class: "quiet" }, `${row.key.vendor}, ${row.key.mode}, ${clock(row.at_s)}, against ${row.reference}`) : null,
    kept ? [
      element("p", {}, `Request ${kept.request_id}`, kept.why.length && `; kept for ${kept.why.join(", ")}`, "."),
      cut.length ? element("p", { class: "trouble note" }, element("strong", {}, "Cut: "), `${cut.join("; ")}. paramwall evidence --pair ${id} shows what is kept.`) : null,
      answersBeside(kept), requestView(kept.request),
    ] : said.bodies_hidden ? null : element("p", { class: "quiet" }, "Its bodies were not kept, or are gone by now."),
    said.sides.length ? element("details", {}, element("summary", {}, `How ${said.sides.length} signals read this pair`),
      table("", "Values of the pair by signal", ["signal", "vendor", "reference"], element("tbody", { role: "rowgroup" },
        said.sides.map(([name, vendor, reference]) => cells(["signal", "vendor", "reference"], [name, vendor, reference], {}, 0))))) : null,
  ];
}

function answersBeside(kept) {
  const sides = [["vendor", kept.vendor_answer], ["reference", kept.reference_answer], ["reference again", kept.second_answer]].filter(([, answer]) => answer);
  const parts = sides.map(([, answer]) => partsOf(answer));
  const columns = ["", ...sides.map(([name]) => name)];
  return table("stacked beside", "The answers side by side", columns, element("tbody", { role: "rowgroup" }, [...new Set(parts.flatMap((each) => [...each.keys()]))].map((part) => {
    const texts = parts.map((each) => each.get(part));
    const prose = /^(reasoning|content|call )/.test(part) && texts[0] !== undefined && texts[1] !== undefined;
    const alike = prose ? commonLength(texts[0], texts[1]) : 0;
    const same = texts.length > 1 && texts[0] === texts[1];
    return cells(columns, [
      [part, texts.length > 1 && element("span", { class: "quiet small" }, same ? " the same" : alike > 0 ? ` alike for ${count(alike, "character")}` : " differs")],
      ...texts.map((text, index) => text === undefined ? element("span", { class: "quiet" }, "absent")
        : element("pre", { tabindex: 0, "aria-label": `${part} of ${sides[index][0]}`, dir: "auto" }, index < 2 && alike && !same
          ? [element("span", { class: "alike" }, visible(text.slice(0, alike))), element("span", { class: "differs" }, visible(text.slice(alike)))] : visible(text) || "(empty)")),
    ], {}, 0);
  })));
}

function partsOf(answer) {
  const parts = new Map();
  for (const name of ["reasoning", "content"]) if (answer[name] !== null) parts.set(name, answer[name]);
  answer.tool_calls.forEach((call, index) => parts.set(`call ${index}`, `${call.name}(${call.arguments}) id ${call.id}`));
  parts.set("finish_reason", answer.finish_reason ?? "-");
  if (answer.usage) parts.set("usage", `prompt ${answer.usage.prompt}, completion ${answer.usage.completion}`);
  parts.set("model", answer.model ?? "-");
  if (answer.flaws.length) parts.set("flaws", [...answer.flaws].sort().join(", "));
  return parts;
}

function requestView(text) {
  if (!text) return element("p", { class: "quiet" }, "Its request was not kept.");
  let messages = [];
  let rest = text;
  try {
    const { messages: said, ...others } = JSON.parse(text);
    if (Array.isArray(said)) [messages, rest] = [said, JSON.stringify(others, null, 2)];
  } catch { /* cut, or no JSON: shown as it came */ }
  return element("details", { open: "" }, element("summary", {}, "What was asked"),
    messages.length ? element("ol", { class: "messages" }, messages.map((message) => element("li", {},
      element("span", { class: "tag" }, visible(String(message?.role ?? "?"))),
      element("pre", { tabindex: 0, dir: "auto" }, visible(typeof message?.content === "string" ? message.content : JSON.stringify(message, null, 2)))))) : null,
    messages.length ? element("details", {}, element("summary", {}, "The rest of the request"), element("pre", { tabindex: 0, dir: "auto" }, visible(rest)))
      : element("pre", { tabindex: 0, dir: "auto" }, visible(rest)));
}

// Parts of a view

function badge(state, sinceS) {
  const [sign, name] = STATES[state] ?? ["?", state];
  return element("span", { class: "standing" }, element("span", { class: `state ${state}` }, element("span", { "aria-hidden": "true" }, sign), ` ${name}`),
    sinceS ? element("span", { class: "quiet small" }, ` for ${span(now() - sinceS)}`) : null);
}

const heading = (text) => element("h2", { tabindex: -1, id: "title" }, text);
const back = (parts = [], name = "all vendors") => element("p", { class: "back" }, element("a", { href: parts.length ? link(...parts) : "#" }, `← ${name}`));

const facts = (pairs) => element("dl", { class: "facts" }, pairs.filter(([, value]) => value !== undefined && value !== null)
  .map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));

// The roles are written out because on a narrow screen the style takes the table's layout away, and with it its meaning.
const table = (classes, caption, columns, bodies) => element("table", { class: classes, role: "table" }, element("caption", { class: "unseen" }, caption),
  element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, columns.map((name) => element("th", { role: "columnheader", scope: "col", "data-column": name }, name)))), bodies);

const cells = (columns, values, attributes = {}, header = -1) => element("tr", { role: "row", ...attributes }, values.map((value, index) =>
  element(index === header ? "th" : "td", { role: index === header ? "rowheader" : "cell", scope: index === header ? "row" : null, "data-column": columns[index] }, value)));

const figure = (name, value, drawing) => element("figure", {}, element("figcaption", {}, element("span", { class: "quiet" }, name), " ", element("strong", {}, value)), drawing);

function meter(share) {
  const full = Math.min(1, share);
  return element("span", { class: "meter" }, drawing("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    drawing("rect", { class: "rest", width: 100, height: 6 }), drawing("rect", { class: share >= 1 ? "full" : "part", width: 100 * full, height: 6 })),
  element("span", { class: "small" }, `${percent(share)} of an alarm`));
}

function sparkline(view, series) {
  const [history, drawn] = historyOf(view.key, series.name);
  const shares = [...(drawn?.evidence ?? []), shareOf(series)];
  const times = [...(drawn ? history.at_s : []), now()];
  return chart(`evidence of ${series.name} over time`, { times, breakS: 3 * (history?.step_s ?? 10), line: shares, fill: true, low: 0, high: Math.max(1.15, ...shares.map((each) => each ?? 0)), rules: [[1, "limit"]] }, "spark");
}

// Charts

// `line`, `lower` and `upper` are values at `times`, null where there is none; a silence longer than `breakS` breaks them.
function chart(label, { times, breakS, line, lower, upper, low, high, rules, mark, fill }, kind = "chart") {
  const width = 300, height = 60, first = times[0], last = times.at(-1);
  const x = (at) => last > first ? ((at - first) / (last - first)) * width : width;
  const y = (value) => 1 + (1 - (Math.min(high, Math.max(low, value)) - low) / (high - low || 1)) * (height - 2);
  const at = (index, value) => `${x(times[index]).toFixed(1)} ${y(value).toFixed(1)}`;
  const runs = runsOf(line, times, breakS);
  const band = lower ? runsOf(lower.map((value, index) => (value === null || upper[index] === null ? null : value)), times, breakS) : [];
  return drawing("svg", { class: kind, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    band.map((run) => drawing("path", { class: "band", d: `M${run.map((i) => at(i, lower[i])).join("L")}L${[...run].reverse().map((i) => at(i, upper[i])).join("L")}Z` })),
    fill ? runs.map((run) => drawing("path", { class: "area", d: `M${x(times[run[0]]).toFixed(1)} ${height}L${run.map((i) => at(i, line[i])).join("L")}L${x(times[run.at(-1)]).toFixed(1)} ${height}Z` })) : null,
    rules.map(([value, name]) => drawing("line", { class: name, x1: 0, x2: width, y1: y(value).toFixed(1), y2: y(value).toFixed(1) })),
    mark && mark >= first ? drawing("line", { class: "mark", x1: x(mark).toFixed(1), x2: x(mark).toFixed(1), y1: 0, y2: height }) : null,
    runs.map((run) => drawing("path", { class: "line", d: `M${run.length > 1 ? run.map((i) => at(i, line[i])).join("L") : `${at(run[0], line[run[0]])}h0.1`}` })));
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

// How numbers and texts are written

const now = () => (Date.now() + model.skewMs) / 1000;
const thousands = (number) => Math.round(number).toLocaleString("en");
const count = (number, name) => `${thousands(number)} ${name}${number === 1 ? "" : "s"}`;
const inAll = (all, lately) => [thousands(all), all !== lately && element("span", { class: "quiet" }, `, ${thousands(lately)} in the window`)];
const percent = (share) => `${digits(share * 100)}\u00a0%`;
const digits = (number) => (Math.abs(number) >= 100 ? number.toFixed(0) : String(Number(number.toPrecision(3))));
const power = (natural) => `10^${((natural ?? 0) * Math.LOG10E).toFixed(1)}`;
const isRate = (kind) => kind === "rate" || kind === "offset" || kind === "baseline";
const words = (name) => name.replaceAll("_", " ");
const clock = (unixS) => `${new Date(unixS * 1000).toISOString().slice(0, 19).replace("T", " ")}Z`;

const shareOf = ({ log_evidence: evidence, log_threshold: threshold }) => (threshold > 0 ? Math.max(0, (evidence ?? 0) / threshold) : 1);

function effectOf({ kind, effect, lower, upper }) {
  if (effect === null || effect === undefined) return "too few values";
  const written = (value) => (isRate(kind) || value < 0 ? "" : "+") + percent(value);
  return written(effect) + (lower === null || upper === null ? "" : ` [${written(lower)}, ${written(upper)}]`);
}

function moment(unixS) {
  return element("time", { datetime: new Date(unixS * 1000).toISOString() }, clock(unixS).slice(0, 10) === clock(now()).slice(0, 10) ? clock(unixS).slice(11) : clock(unixS));
}

function span(seconds) {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  return `${Math.max(0, Math.floor(seconds))} s`;
}

function commonLength(one, other) {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length += 1;
  return length;
}

// Characters that show nothing, or turn the text around, as their code: evidence must not hide anything.
const visible = (text) => text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]/gu, (each) => (each === "\n" || each === "\t" ? each : `\\u{${each.codePointAt(0).toString(16)}}`));

// The document

const element = (name, attributes, ...children) => made(document.createElement(name), attributes, children);
const drawing = (name, attributes, ...children) => made(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

function made(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") node.onclick = value;
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...nodes(children));
  return node;
}

const nodes = (children) => [children].flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== "" && child !== 0)
  .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));

// Make what is there equal to what should be, node by node, so that focus, selection and scrolling stay where they are.
const show = (id, content) => matchChildren(document.getElementById(id), nodes([content]));

function matchChildren(there, children) {
  children.forEach((child, index) => {
    let known = there.childNodes[index];
    const key = child.dataset?.key;
    if (key !== undefined && known?.dataset?.key !== key) {
      const moved = [...there.childNodes].slice(index).find((each) => each.dataset?.key === key);
      if (moved) known = there.insertBefore(moved, known);
    }
    if (!known) there.append(child);
    else if (known.nodeName !== child.nodeName || known.dataset?.key !== key) known.replaceWith(child);
    else match(known, child);
  });
  while (there.childNodes.length > children.length) there.lastChild.remove();
}

function match(there, child) {
  if (child.nodeType === Node.TEXT_NODE) {
    if (there.data !== child.data) there.data = child.data;
    return;
  }
  const stays = (name) => name === "open"; // a reader opens and closes details
  for (const { name } of [...there.attributes]) if (!child.hasAttribute(name) && !stays(name)) there.removeAttribute(name);
  for (const { name, value } of child.attributes) if (there.getAttribute(name) !== value && !stays(name)) there.setAttribute(name, value);
  there.onclick = child.onclick;
  matchChildren(there, [...child.childNodes]);
}

addEventListener("hashchange", () => {
  model.everyRow = false;
  model.focus = place().pair === undefined ? "title" : "pair";
  render();
  if (place().kind === "overview") scrollTo(0, 0);
});
forever();
