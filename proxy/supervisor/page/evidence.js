// An alarm, or a signal without one, and what is behind it: the rows of the log.
//
// Not here: how things stand in general (vendors.js), a pair and its bodies (pair.js). Invariant: what the log has goes
// before what the scorer tells; without a log there is still that, and why there is no more.

import { charts, historyOf } from "./charts.js";
import { back, cells, element, facts, heading, table } from "./elements.js";
import { pairView, refusal, waiting } from "./pair.js";
import { EVIDENCE_EVERY_S, link, model, query, redraw, wanted } from "./polling.js";
import { badge, clock, count, effectOf, moment, percent, power, shareOf, thousands } from "./wording.js";

const ROWS_AT_FIRST = 6;

export function evidenceView(status, where) {
  const asked =
    where.kind === "alarm" ? { alarm: where.alarm } : { vendor: where.vendor, mode: where.mode, signal: where.signal };
  const title = where.kind === "alarm" ? `Alarm ${where.alarm}` : `${where.signal} of ${where.vendor}, ${where.mode}`;
  const asking = wanted(query("evidence", asked), EVIDENCE_EVERY_S);
  const { said, refused } = asking;
  const alarm = said ? said.subject.alarm : status.alarms.find(({ number }) => String(number) === where.alarm);
  const key = said?.subject.key ?? alarm?.key ?? where;
  const name = said?.subject.series.name ?? alarm?.series ?? where.signal;
  const view = status.drift.find((each) => each.key.vendor === key.vendor && each.key.mode === key.mode);
  const series = view?.series.find((each) => each.name === name);
  const [history, drawn] = key.vendor && name ? historyOf(key, name) : [];
  const whole = where.kind === "alarm" && alarm ? `${title}: ${name} of ${key.vendor}` : title;
  const base = where.kind === "alarm" ? ["alarm", where.alarm] : ["vendor", where.vendor, where.mode, where.signal];
  return [
    whole,
    [
      key.vendor ? back(link("vendor", key.vendor, key.mode), `${key.vendor}, ${key.mode}`) : back(),
      heading(whole),
      alarm ? alarmSays(alarm, said?.subject.state ?? view?.state) : null,
      drawn ? element("p", { class: "quiet" }, `${name} finds ${drawn.finds}.`) : null,
      series ? element("div", { class: "card wide" }, charts(series, drawn, history)) : null,
      refused ? refusal(refused) : said ? behind(said, where, base) : waiting("Reading the log.", asking),
      alarm && said ? nextSteps(where, status, key, name) : null,
    ],
  ];
}

function alarmSays(alarm, state) {
  const what = alarm.suspect
    ? `speaks against the reference, not against ${alarm.key.vendor}`
    : `${alarm.key.vendor} changed in ${alarm.key.mode} mode`;
  return [
    element(
      "p",
      {},
      state && badge(state),
      " ",
      element("strong", {}, alarm.series),
      `: ${what}, at about ${clock(alarm.changepoint_s)}, by ${effectOf(alarm)}.`,
    ),
    facts([
      ["alarm", moment(alarm.at_s)],
      ["the change began", [moment(alarm.changepoint_s), `, ${count(alarm.values, "value")} before`]],
      ["effect at the alarm", effectOf(alarm)],
      [
        "evidence at the alarm",
        `${percent(shareOf(alarm))} of an alarm (${power(alarm.log_evidence)} of ${power(alarm.log_threshold)})`,
      ],
      ["recovered", alarm.recovered_at_s === null ? "no, it lasts" : moment(alarm.recovered_at_s)],
    ]),
  ];
}

function behind(said, where, base) {
  const { rows, kept, count: all, subject } = said;
  const whole = model.allRowsOf === link(...base);
  const shown = whole ? rows : rows.slice(0, ROWS_AT_FIRST);
  const pair =
    where.pair ?? rows.find((row) => row.number && row.request_id && row.against === 1)?.number ?? kept[0]?.request_id;
  return [
    element("h3", {}, "What it rests on"),
    element(
      "p",
      {},
      `${all.more ? "The first " : ""}${count(all.rows, "row")} `,
      subject.since_s ? `since ${clock(subject.since_s)}` : "of the log",
      ` say something: ${thousands(all.against)} against the vendor, ${thousands(all.contrary)} for it.`,
    ),
    shown.length ? rowTable(shown, base, String(pair)) : null,
    rows.length > shown.length
      ? element(
          "button",
          {
            type: "button",
            onclick: () => {
              model.allRowsOf = link(...base);
              redraw();
            },
          },
          `Show ${rows.length - shown.length} more`,
        )
      : null,
    all.rows > rows.length && whole
      ? element(
          "p",
          { class: "quiet" },
          `${thousands(all.rows - rows.length)} more are in the log: paramwall evidence --json has them.`,
        )
      : null,
    keptList(kept, rows, base, String(pair)),
    said.bodies_hidden
      ? element("p", { class: "quiet" }, `Requests and answers are not shown here: ${said.bodies_hidden}.`)
      : null,
    pair === undefined ? null : pairView(String(pair)),
  ];
}

function rowTable(rows, base, open) {
  // Checked answers are logged by their count; only pairs have a number, an id and another side.
  const columns = rows.some(({ number }) => number)
    ? ["at", "pair", "request id", "vendor", "reference", "says"]
    : ["at", "vendor", "says"];
  const written = (row) => ({
    at: moment(row.at_s),
    vendor: row.vendor,
    reference: row.reference,
    "request id": row.request_id || "-",
    pair: row.number ? pairLink(base, row.number, open) : "-",
    says: row.against === 1 ? "against" : row.against === -1 ? "for" : "-",
  });
  return table(
    "rows",
    "Rows of the log in which the signal speaks",
    columns,
    element(
      "tbody",
      { role: "rowgroup" },
      rows.map((row) =>
        cells(
          columns,
          columns.map((name) => written(row)[name]),
          String(row.number) === open ? { class: "open" } : {},
        ),
      ),
    ),
  );
}

const pairLink = (base, id, open) =>
  element("a", { href: link(...base, "pair", id), "aria-current": String(id) === open ? "true" : null }, id);

// What was kept because of this signal, where the rows do not lead there.
function keptList(kept, rows, base, open) {
  const others = kept.filter(({ request_id: id }) => !rows.some((row) => row.request_id === id));
  return others.length
    ? element(
        "p",
        {},
        "Kept because of this signal: ",
        others.map(({ request_id: id }, index) => [index > 0 && ", ", pairLink(base, id, open)]),
        ".",
      )
    : null;
}

function nextSteps(where, status, { vendor, mode }, signal) {
  const ofSignal = ({ key, series }) => key.vendor === vendor && key.mode === mode && series === signal;
  const number = where.alarm ?? status.alarms.findLast(ofSignal)?.number;
  const which = number ?? `--vendor ${vendor} --signal ${signal}`;
  const folder = status.evidence.state_dir;
  return [
    element("h3", {}, "In a terminal"),
    element(
      "pre",
      { class: "card", tabindex: 0 },
      [
        `paramwall evidence ${which} --state-dir ${folder} --bundle ticket.zip    # for the vendor`,
        `paramwall status --state-dir ${folder} --acknowledge ${vendor} --note "why"    # accept it as it is now`,
      ].join("\n"),
    ),
  ];
}
