// All vendors, and one vendor in one mode.
//
// Not here: an alarm and what is behind it (evidence.js). Invariant: made of /status; only charts need more.

import { charts, historyOf, meter, sparkline } from "./charts.js";
import { back, cells, element, facts, heading, table } from "./elements.js";
import { link } from "./polling.js";
import { STATES, badge, count, effectOf, inAll, moment, percent, shareOf, thousands } from "./wording.js";

const FEWEST_CARDS = 3;
const MOST_CARDS = 12;
const SPEAKS = 0.05; // of an alarm: less is no matter for a chart

const GRAVITY = ["degraded", "reference_suspect", "recovering", "warn", "inconclusive", "ok"];

// All vendors

export function overview(status) {
  const bad = new Set(status.drift.filter(({ state }) => state === "degraded").map(({ key }) => key.vendor));
  return [
    bad.size ? `${bad.size} degraded` : "",
    [
      element(
        "section",
        { "aria-labelledby": "vendors" },
        element(
          "h2",
          { id: "vendors" },
          "Vendors",
          bad.size > 0 && `: ${[...bad].join(", ")} ${bad.size > 1 ? "are" : "is"} degraded`,
        ),
        vendorTable(status),
      ),
      status.drift.length ? null : firstSteps(status),
      element(
        "section",
        { "aria-labelledby": "alarms" },
        element("h2", { id: "alarms" }, "Alarms"),
        alarmTable(status),
      ),
    ],
  ];
}

function vendorTable(status) {
  const columns = ["mode", "state", "closest to an alarm", "effect", "pairs", "answers"];
  const viewsOf = (vendor) => status.drift.filter((view) => view.key.vendor === vendor.name);
  // The gravest first, those without an answer last; beyond that as configured.
  const gravity = (vendor) => Math.min(GRAVITY.length, ...viewsOf(vendor).map(({ state }) => GRAVITY.indexOf(state)));
  const vendors = [...status.vendors].sort((one, other) => gravity(one) - gravity(other));
  return table(
    "stacked vendors",
    "Vendors, and how each stands in each mode",
    columns,
    vendors.map((vendor) => {
      const views = viewsOf(vendor);
      return element(
        "tbody",
        { role: "rowgroup", "data-key": vendor.name },
        element(
          "tr",
          { role: "row", class: "group" },
          element(
            "th",
            { role: "rowheader", scope: "rowgroup", colspan: columns.length },
            element("span", { class: "name" }, vendor.name),
            " ",
            element(
              "span",
              { class: "quiet" },
              `${vendor.url}, ${vendor.policy}, ${vendor.enforcement}, ${count(vendor.requests, "request")}`,
              views.length ? "" : "; no answer was checked yet",
            ),
          ),
        ),
        views.map((view) => vendorRow(view, columns)),
      );
    }),
  );
}

function vendorRow(view, columns) {
  const { vendor, mode } = view.key;
  const leading = view.series.find((series) => series.name === view.leading);
  return cells(
    columns,
    [
      element("a", { href: link("vendor", vendor, mode) }, mode, element("span", { class: "unseen" }, ` of ${vendor}`)),
      badge(view.state, view.at_s),
      leading
        ? element(
            "div",
            { class: "leading" },
            element("a", { href: link("vendor", vendor, mode, leading.name) }, leading.name),
            sparkline(view, leading),
            meter(shareOf(leading)),
          )
        : "-",
      leading ? effectOf(leading) : "-",
      inAll(view.pairs, view.pairs_in_window),
      inAll(view.answers, view.answers_in_window),
    ],
    { "data-key": mode },
    0,
  );
}

function firstSteps(status) {
  const base = `${status.listen[0]}/v1`;
  return element(
    "section",
    { class: "card", "aria-labelledby": "first" },
    element("h2", { id: "first" }, "What to do next"),
    element(
      "ol",
      {},
      element("li", {}, "Point a client at the proxy; its base URL is ", element("code", {}, base), "."),
      status.mirror?.reference
        ? null
        : element(
            "li",
            {},
            "Name a reference that you trust (",
            element("code", {}, "--reference URL"),
            ") to have answers compared. Without one they are only checked against what no answer may do.",
          ),
      status.evidence.state_dir
        ? null
        : element(
            "li",
            {},
            "Name a folder for the log (",
            element("code", {}, "--state-dir DIR"),
            "). Without one the evidence is lost at a restart, and the answers behind an alarm cannot be looked at.",
          ),
      element(
        "li",
        {},
        "A vendor is called ok or degraded after 50 pairs in a day and mode: at 1 % mirrored, 5,000 requests.",
      ),
    ),
  );
}

function alarmTable(status) {
  if (!status.alarms.length) return element("p", { class: "quiet" }, "No alarm so far.");
  const columns = ["alarm", "at", "vendor", "signal", "effect", "change began", "recovered"];
  return table(
    "stacked",
    "The newest alarms",
    columns,
    element(
      "tbody",
      { role: "rowgroup" },
      [...status.alarms]
        .reverse()
        .map((alarm) =>
          cells(
            columns,
            [
              element("a", { href: link("alarm", alarm.number) }, `#${alarm.number}`),
              moment(alarm.at_s),
              `${alarm.key.vendor}, ${alarm.key.mode}`,
              alarm.suspect ? `${alarm.series} (against the reference)` : alarm.series,
              effectOf(alarm),
              moment(alarm.changepoint_s),
              alarm.recovered_at_s === null ? element("strong", {}, "lasts") : moment(alarm.recovered_at_s),
            ],
            { "data-key": alarm.number },
            0,
          ),
        ),
    ),
  );
}

// One vendor in one mode

export function vendorView(status, where) {
  const view = status.drift.find(({ key }) => key.vendor === where.vendor && key.mode === where.mode);
  const vendor = status.vendors.find(({ name }) => name === where.vendor);
  const title = `${where.vendor}, ${where.mode}`;
  if (!view)
    return [title, [back(), heading(title), element("p", {}, "Nothing was checked of this vendor in this mode yet.")]];
  const series = view.series
    .filter(({ n }) => n > 0)
    .sort((one, other) => (other.alarmed_at_s !== null) - (one.alarmed_at_s !== null) || shareOf(other) - shareOf(one));
  const speaking = series.filter((each) => each.alarmed_at_s !== null || shareOf(each) >= SPEAKS).length;
  const cards = Math.min(MOST_CARDS, Math.max(FEWEST_CARDS, speaking));
  const fraction = status.mirror?.fractions[where.vendor];
  return [
    title,
    [
      back(),
      heading(title),
      element("p", {}, badge(view.state, view.at_s)),
      element("p", {}, STATES[view.state]?.[2]),
      facts([
        ["where", vendor?.url],
        ["policy", vendor && `${vendor.policy}, ${vendor.enforcement}; profile ${vendor.profile}`],
        ["credentials", vendor && (vendor.credentials === "pass" ? "the client's own" : "held by the proxy")],
        ["requests", vendor && thousands(vendor.requests)],
        ["answers checked", inAll(view.answers, view.answers_in_window)],
        ["pairs compared", inAll(view.pairs, view.pairs_in_window)],
        ["mirrored now", fraction === undefined ? "nothing" : percent(fraction)],
      ]),
      element("h3", {}, "Signals"),
      element(
        "p",
        { class: "quiet" },
        "Evidence is shown as the share of what an alarm takes. ",
        "Charts begin with the proxy's start, and go back 43 hours at most.",
      ),
      element(
        "div",
        { class: "cards" },
        series.slice(0, cards).map((each) => card(view, each)),
      ),
      series.length > cards
        ? element(
            "details",
            { "data-key": "more" },
            element("summary", {}, `${series.length - cards} more signals, further from an alarm`),
            seriesTable(view, series.slice(cards)),
          )
        : null,
    ],
  ];
}

function card(view, series) {
  const [history, drawn] = historyOf(view.key, series.name);
  return element(
    "article",
    { class: "card", "data-key": series.name },
    element(
      "h4",
      {},
      element("a", { href: link("vendor", view.key.vendor, view.key.mode, series.name) }, series.name),
      series.alarmed_at_s !== null &&
        element("span", { class: "tag" }, series.suspect ? "alarm against the reference" : "alarm"),
    ),
    element("p", { class: "quiet small" }, drawn?.finds),
    charts(series, drawn, history),
  );
}

function seriesTable(view, series) {
  const columns = ["signal", "evidence", "effect", "values"];
  return table(
    "",
    "Further signals",
    columns,
    element(
      "tbody",
      { role: "rowgroup" },
      series.map((each) =>
        cells(
          columns,
          [
            element("a", { href: link("vendor", view.key.vendor, view.key.mode, each.name) }, each.name),
            percent(shareOf(each)),
            effectOf(each),
            thousands(each.n),
          ],
          { "data-key": each.name },
          0,
        ),
      ),
    ),
  );
}
