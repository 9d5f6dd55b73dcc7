// One pair: what was asked, and the answers side by side.
//
// Not here: which pair, and why (evidence.js). Invariants: of two answers, what is alike is told from what differs, and
// no character is torn apart for that; a text that was cut, or is not there, is said to be so.

import { cells, element, table } from "./elements.js";
import { ONCE_S, query, wanted } from "./polling.js";
import { clock, count, words } from "./wording.js";

export function pairView(id) {
  const asking = wanted(query("evidence", { pair: id }), ONCE_S);
  const { said, refused } = asking;
  const title = element("h3", { id: "pair", tabindex: -1 }, `Pair ${id}`);
  if (refused) return [title, refusal(refused)];
  if (!said) return [title, waiting("Reading it.", asking)];
  const { kept, row, shortened } = said;
  const cut = [
    ...(kept?.cut ?? []).map((name) => `${words(name)} when it was kept`),
    ...shortened.map((name) => `${words(name)} for this page`),
  ];
  return [
    title,
    row
      ? element(
          "p",
          { class: "quiet" },
          `${row.key.vendor}, ${row.key.mode}, ${clock(row.at_s)}, against ${row.reference}`,
        )
      : null,
    kept
      ? [
          element(
            "p",
            {},
            `Request ${kept.request_id}`,
            kept.why.length > 0 && `; kept for ${kept.why.join(", ")}`,
            ".",
          ),
          cut.length
            ? element(
                "p",
                { class: "trouble note" },
                element("strong", {}, "Cut: "),
                `${cut.join("; ")}. paramwall evidence --pair ${id} shows what is kept.`,
              )
            : null,
          answersBeside(kept),
          requestView(kept.request),
        ]
      : said.bodies_hidden
        ? null
        : element("p", { class: "quiet" }, "Its bodies were not kept, or are gone by now."),
    said.sides.length
      ? element(
          "details",
          { "data-key": "sides" },
          element("summary", {}, `How ${said.sides.length} signals read this pair`),
          table(
            "",
            "Values of the pair by signal",
            ["signal", "vendor", "reference"],
            element(
              "tbody",
              { role: "rowgroup" },
              said.sides.map(([name, vendor, reference]) =>
                cells(["signal", "vendor", "reference"], [name, vendor, reference], {}, 0),
              ),
            ),
          ),
        )
      : null,
  ];
}

function answersBeside(kept) {
  const sides = [
    ["vendor", kept.vendor_answer],
    ["reference", kept.reference_answer],
    ["reference again", kept.second_answer],
  ].filter(([, answer]) => answer);
  const parts = sides.map(([, answer]) => partsOf(answer));
  const names = [...new Set(parts.flatMap((each) => [...each.keys()]))];
  const columns = sides.map(([name]) => name);
  const rows = names.map((name) =>
    partRow(
      name,
      parts.map((each) => each.get(name)),
      columns,
    ),
  );
  return table(
    "stacked beside",
    "The answers side by side",
    ["", ...columns],
    element("tbody", { role: "rowgroup" }, rows),
  );
}

// One part of each answer: the first two are compared, and prose is marked from where it differs.
function partRow(part, texts, columns) {
  const prose = /^(reasoning|content|call )/.test(part) && texts[0] !== undefined && texts[1] !== undefined;
  const alike = prose ? commonLength(texts[0], texts[1]) : 0;
  const same = texts.length > 1 && texts[0] === texts[1];
  const marks = alike > 0 && !same;
  const verdict = same
    ? " the same"
    : marks
      ? ` alike for ${count([...texts[0].slice(0, alike)].length, "character")}`
      : " differs";
  const written = (text, index) => {
    if (text === undefined) return element("span", { class: "quiet" }, "absent");
    const shown =
      marks && index < 2
        ? [
            element("span", { class: "alike" }, text.slice(0, alike)),
            element("span", { class: "differs" }, text.slice(alike)),
          ]
        : text || "(empty)";
    return element("pre", { tabindex: 0, "aria-label": `${part} of ${columns[index]}`, dir: "auto" }, shown);
  };
  const name = [part, texts.length > 1 && element("span", { class: "quiet small" }, verdict)];
  return cells(["", ...columns], [name, ...texts.map(written)], {}, 0);
}

function partsOf(answer) {
  const parts = new Map();
  for (const name of ["reasoning", "content"]) if (answer[name] !== null) parts.set(name, answer[name]);
  answer.tool_calls.forEach((call, index) =>
    parts.set(`call ${index}`, `${call.name}(${call.arguments}) id ${call.id}`),
  );
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
  } catch {
    // cut, or no JSON: shown as it came
  }
  return element(
    "details",
    { open: "", "data-key": "asked" },
    element("summary", {}, "What was asked"),
    messages.length
      ? element(
          "ol",
          { class: "messages" },
          messages.map((message) =>
            element(
              "li",
              {},
              element("span", { class: "tag" }, String(message?.role ?? "?")),
              element(
                "pre",
                { tabindex: 0, dir: "auto" },
                typeof message?.content === "string" ? message.content : JSON.stringify(message, null, 2),
              ),
            ),
          ),
        )
      : null,
    messages.length
      ? element(
          "details",
          {},
          element("summary", {}, "The rest of the request"),
          element("pre", { tabindex: 0, dir: "auto" }, rest),
        )
      : element("pre", { tabindex: 0, dir: "auto" }, rest),
  );
}

// Of two texts, in UTF-16 units; a character of two units is not torn apart.
function commonLength(one, other) {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length += 1;
  return /[\uD800-\uDBFF]/.test(one[length - 1] ?? "") ? length - 1 : length;
}

// In place of what cannot be shown

export const refusal = ({ error, hint }) =>
  element(
    "p",
    { class: "trouble note" },
    element("strong", {}, "What is behind it cannot be shown: "),
    `${error}. `,
    hint && element("span", { class: "quiet" }, `Remedy: ${hint}.`),
  );

export const waiting = (text, { failure }) =>
  element("p", { class: "quiet" }, text, failure && ` It did not succeed so far: ${failure}.`);
