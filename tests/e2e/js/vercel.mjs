// The Vercel AI SDK with its provider for OpenAI-compatible hosts: an agent framework.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { at, key, question, run, thrown } from "./checks.mjs";

const model = (name) =>
  createOpenAICompatible({ name: "kimi", baseURL: at[name], apiKey: key, includeUsage: true })("kimi-k2.6");
const asked = { prompt: question, maxRetries: 0 };
const tools = {
  get_weather: tool({
    description: "The weather at a place.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => ({ city, weather: "rain" }),
  }),
};
const told = ({ statusCode, responseBody, responseHeaders }) => ({
  status: statusCode,
  code: JSON.parse(responseBody).error.code ?? null,
  source: responseHeaders["x-paramwall-error-source"],
});

await run({
  async generate() {
    const answer = await generateText({ ...asked, model: model("honest"), temperature: 0.7, topP: 0.5 });
    return {
      text: answer.text.length > 0,
      reasoning: answer.reasoningText.length > 0,
      finish: answer.finishReason,
      usage: answer.usage.outputTokens > 0,
      actions: answer.response.headers["x-paramwall-actions"],
    };
  },
  async generate_with_tools() {
    const answer = await generateText({ ...asked, model: model("calling"), tools, stopWhen: stepCountIs(3) });
    return { steps: answer.steps.length, called: answer.steps[0].toolCalls.length > 0, text: answer.text.length > 0 };
  },
  async stream_with_tools() {
    const answer = streamText({
      ...asked,
      model: model("calling"),
      tools,
      stopWhen: stepCountIs(3),
      onError: () => {},
    });
    const kinds = new Set();
    for await (const part of answer.fullStream) kinds.add(part.type);
    const wanted = ["reasoning-delta", "tool-call", "tool-result", "text-delta", "finish"];
    return { missing: wanted.filter((kind) => !kinds.has(kind)), error: kinds.has("error") };
  },
  async abort() {
    const control = new AbortController();
    const answer = streamText({
      ...asked,
      model: model("slow"),
      abortSignal: control.signal,
      onError: () => {},
    });
    let parts = 0;
    for await (const part of answer.fullStream) {
      if (part.type === "reasoning-delta") parts += 1;
      if (parts === 3) control.abort();
    }
    return { early: parts >= 3 && parts < 100 };
  },
  async refused() {
    const providerOptions = { kimi: { top_k: 5, guided_regex: "a*" } };
    return told(await thrown(() => generateText({ ...asked, model: model("honest"), providerOptions })));
  },
  async server_error() {
    return told(await thrown(() => generateText({ ...asked, model: model("failing") })));
  },
  async truncated() {
    let failed = false;
    const answer = streamText({ ...asked, model: model("cut"), onError: () => {} });
    try {
      for await (const part of answer.fullStream) failed ||= part.type === "error";
    } catch {
      failed = true;
    }
    return { failed };
  },
});
