// A reader of bodies in another language: JSON.parse, where the last of two equal names wins.
// One line in, {"id", "body" in base64}; one line out, {"id", "names", "members"} or {"id", "error"}. The first line
// names the members that are wanted. A number that is not finite is sent as a string, since JSON has no word for it.
import { createInterface } from "node:readline";

let judged = null;
const telling = (_name, value) => (typeof value === "number" && !Number.isFinite(value) ? `number ${value}` : value);

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const asked = JSON.parse(line);
  if (judged === null) {
    judged = new Set(asked);
    continue;
  }
  let answer;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(asked.body, "base64"));
    const body = JSON.parse(text);
    const names = Object.keys(body);
    const members = names.filter((name) => judged.has(name)).map((name) => [name, body[name]]);
    answer = JSON.stringify({ id: asked.id, names, members }, telling);
  } catch (error) {
    answer = JSON.stringify({ id: asked.id, error: String(error.name) });
  }
  process.stdout.write(answer + "\n");
}
