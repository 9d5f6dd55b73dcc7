// What is asked of the proxy and held of its answers, the clock, and where the reader is.
//
// /status is asked every few seconds while the page is seen; /history and /evidence when a view wants them (`wanted`).
// Not here: what is made of the answers. Invariants: an answer that does not come, or is no JSON, is tried again, and
// what was known stays; what no view wants any more is forgotten; there is one loop, with one listener.

export const STATUS_EVERY_S = 3;
export const HISTORY_EVERY_S = 10;
export const EVIDENCE_EVERY_S = 30;
export const ONCE_S = 1e9;
const GIVE_UP_S = 8;
const FORGET_AFTER = 20; // times that the page was made without it

export const model = { status: null, asOfS: 0, lostSinceS: null, failure: "", skewMs: 0, allRowsOf: null, focus: null };
const held = new Map();
let redraws = 0;
let draw = () => {};

export function begin(drawing) {
  draw = drawing;
  forever();
}

export function redraw() {
  redraws += 1;
  draw();
  for (const [url, entry] of held) if (entry.redraw < redraws - FORGET_AFTER && !entry.busy) held.delete(url);
}

// What the proxy's clock says.
export const now = () => (Date.now() + model.skewMs) / 1000;

async function load(url) {
  const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_S * 1000) });
  const date = Date.parse(response.headers.get("Date") ?? "");
  if (Number.isFinite(date)) model.skewMs = date - Date.now();
  if (response.ok) return { said: await response.json() };
  return { refused: await response.json().catch(() => ({ error: `HTTP ${response.status}`, hint: "" })) };
}

const failureOf = (error) => (error.name === "TimeoutError" ? `no answer within ${GIVE_UP_S} s` : error.message);

// What a view needs: what is known of it now, and to be asked for again when that is old.
export function wanted(url, everyS) {
  const entry = held.get(url) ?? { dueMs: -Infinity };
  entry.redraw = redraws;
  held.set(url, entry);
  if (!entry.busy && performance.now() > entry.dueMs) {
    entry.busy = true;
    ask(url, everyS, entry);
  }
  return entry;
}

async function ask(url, everyS, entry) {
  let nextS = everyS;
  try {
    Object.assign(entry, { said: undefined, failure: undefined, refused: undefined }, await load(url));
    if (entry.refused) nextS = Math.min(everyS, EVIDENCE_EVERY_S); // it may be there by then
  } catch (error) {
    entry.failure = failureOf(error);
    nextS = STATUS_EVERY_S;
  }
  entry.dueMs = performance.now() + nextS * 1000;
  entry.busy = false;
  redraw();
}

async function refresh() {
  try {
    const { said, refused } = await load("status");
    if (refused) throw new Error(refused.error);
    // A scorer that is away says nothing; what it said last is still the best that is known.
    if (!said.drift.length && !said.scorer && model.status)
      Object.assign(said, { drift: model.status.drift, alarms: model.status.alarms });
    model.status = said;
    model.asOfS = now();
    model.lostSinceS = null;
  } catch (error) {
    model.lostSinceS ??= now();
    model.failure = failureOf(error);
  }
  redraw();
}

async function forever() {
  let wake = () => {};
  document.addEventListener("visibilitychange", () => wake());
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, STATUS_EVERY_S * 1000);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

// Where we are: #, #vendor/NAME/MODE, #vendor/NAME/MODE/SIGNAL, #alarm/N; the last two with /pair/ID

export function place() {
  const parts = location.hash.slice(1).split("/").map(decoded);
  const at = parts.lastIndexOf("pair");
  const pair = at > 1 && at === parts.length - 2 ? parts[at + 1] : undefined;
  const [kind, ...rest] = pair === undefined ? parts : parts.slice(0, at);
  if (kind === "alarm" && rest.length === 1) return { kind, alarm: rest[0], pair };
  if (kind === "vendor" && rest.length === 2) return { kind, vendor: rest[0], mode: rest[1] };
  if (kind === "vendor" && rest.length === 3)
    return { kind: "signal", vendor: rest[0], mode: rest[1], signal: rest[2], pair };
  return { kind: "overview" };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const link = (...parts) => `#${parts.map((part) => encodeURIComponent(part)).join("/")}`;
export const query = (path, asked) => `${path}?${new URLSearchParams(asked)}`;
