// The official OpenAI SDK for JavaScript.
import OpenAI from "openai";
import { at, key, question, run, thrown } from "./checks.mjs";

const client = (name, options = {}) => new OpenAI({ baseURL: at[name], apiKey: key, maxRetries: 0, ...options });
const messages = [{ role: "user", content: question }];
const asked = { model: "kimi-k2.6", messages };
const weather = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};
const told = ({ status, code, param, type, headers }) => ({
  status,
  code: code ?? null,
  param: param ?? null,
  type: type ?? null,
  source: headers?.get("x-paramwall-error-source") ?? null,
});

await run({
  async chat() {
    const { data, response } = await client("honest")
      .chat.completions.create({ ...asked, temperature: 0.7 })
      .withResponse();
    return {
      text: data.choices[0].message.content.length > 0,
      reasoning: data.choices[0].message.reasoning_content.length > 0,
      finish: data.choices[0].finish_reason,
      actions: response.headers.get("x-paramwall-actions"),
    };
  },
  async stream() {
    const stream = await client("honest").chat.completions.create({
      ...asked,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let last = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      last = chunk;
    }
    return { text: text.length > 0, usage: last.usage.completion_tokens > 0, choices: last.choices.length };
  },
  async tools() {
    const first = await client("calling").chat.completions.create({ ...asked, tools: [weather] });
    const said = first.choices[0].message;
    const { reasoning_content, ...turn } = said;
    const results = said.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "rain" }));
    const second = await client("calling").chat.completions.create({
      ...asked,
      messages: [...messages, turn, ...results],
      tools: [weather],
    });
    return {
      called: said.tool_calls.every((call) => "city" in JSON.parse(call.function.arguments)),
      finish: first.choices[0].finish_reason,
      answered: second.choices[0].message.content.length > 0,
    };
  },
  async abort() {
    const stream = await client("slow").chat.completions.create({ ...asked, stream: true });
    let chunks = 0;
    for await (const _ of stream) {
      chunks += 1;
      if (chunks === 3) stream.controller.abort();
    }
    return { early: chunks >= 3 && chunks < 100 };
  },
  async refused() {
    return told(await thrown(() => client("honest").chat.completions.create({ ...asked, temperature: "0.3" })));
  },
  async unknown_model() {
    return told(await thrown(() => client("honest").chat.completions.create({ ...asked, model: "kimi-unknown" })));
  },
  async server_error() {
    return told(await thrown(() => client("failing", { maxRetries: 1 }).chat.completions.create(asked)));
  },
  async rate_limited() {
    const error = await thrown(() => client("busy").chat.completions.create(asked));
    return { ...told(error), retry_after: error.headers.get("retry-after") };
  },
  async truncated() {
    const stream = await client("cut").chat.completions.create({ ...asked, stream: true });
    const error = await thrown(async () => {
      for await (const _ of stream);
    });
    return { raised: error instanceof Error };
  },
});
