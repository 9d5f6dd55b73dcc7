// The frame of every client script: it runs checks one after another and says what came of each, one JSON line each,
// {"check", "ok", ...} with what the check returned, or with the error that it threw. Addresses come as one JSON
// argument, {"name": base_url}.
export const at = JSON.parse(process.argv[2]);
export const key = "sk-e2e-0123456789abcdef";
export const question = "What grows by a quiet river?";

export async function run(checks) {
  for (const [check, work] of Object.entries(checks)) {
    let line;
    try {
      line = { check, ok: true, ...(await work()) };
    } catch (error) {
      line = { check, ok: false, error: `${error?.name}: ${error?.message}` };
    }
    process.stdout.write(JSON.stringify(line) + "\n");
  }
}

// What a call throws; that it throws nothing is an error of its own.
export async function thrown(work) {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
