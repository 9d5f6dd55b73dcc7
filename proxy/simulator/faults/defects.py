"""The known defects of Kimi hosts: what a client sees, and where it was reported.

Here: the rows. Not here: the faults that stand for them. Invariant: every row has at least one fault (a test holds
this), so the table in docs/simulator.md has no gap.
"""

from __future__ import annotations

from enum import Enum


class Defect(Enum):
    """One known defect. `symptom`: what a client sees; `reports`: public issues, records or source files."""

    PARAMETERS_ACCEPTED = (
        "A wrong value of a fixed parameter is answered with 200",
        "Kimi-Vendor-Verifier verify_params.py; vLLM and SGLang",
    )
    WRONG_DEFAULTS = (
        "The host's own default temperature or top_p differs",
        "Replicate's model page; vLLM defaults 1.0 and 1.0",
    )
    THINKING_NOT_DISABLED = ("Thinking is not disabled though asked", "opencode#25001, SillyTavern#5599")
    CHANGED_PROMPT = (
        "System prompt injected or dropped, template altered: prompt_tokens off by a constant",
        "Kimi-Vendor-Verifier tests/prompt_tokens",
    )
    NO_GENERATION_PROMPT = (
        "Generation prompt missing: few tool calls, prompt_tokens lower by a constant",
        "vLLM blog 2025-10-28, Kimi K2",
    )
    NULL_CONTENT_AS_TEXT = ("Null or empty content in the history is rendered as text", "vLLM blog 2025-10-28, Kimi K2")
    LEGAL_FIELD_REFUSED = (
        "A lawful field (reasoning_content in history) is refused",
        "reports on Fireworks: Extra inputs are not permitted",
    )
    STRUCTURED_CRASH = ("Structured output crashes in thinking mode", "vllm#51660")
    OVERLOAD = ("Rate limits, overload and server errors", "Moonshot API reference, errors")
    KEY_ECHOED = ("An error repeats the client's key", "CVE-2024-9606 (a key only partly masked)")
    REDIRECTED = ("A redirect would carry body and key elsewhere", "CVE-2026-34518")
    MARKERS_LEAKED = (
        "Tool markers in content or reasoning",
        "Kimi-K2#89, hermes-agent#24534, llxprt#750, vllm#34955, #36763, #36969",
    )
    FORMAT_IGNORED = ("response_format is not obeyed", "Kimi-Vendor-Verifier tests/k3_features")
    TRIGGER_SHIFT = (
        "Tools are called more or less often than by the reference",
        "K2-Vendor-Verifier README: 1703 to 3657 calls of hosts against 1958",
    )
    DECISIONS_SCRAMBLED = (
        "Tools are called as often as by the reference, but for other prompts",
        "K2-Vendor-Verifier README: F1 scores lower than the counts of calls explain",
    )
    OTHER_CALLS = (
        "Another declared tool, or fewer calls at once, than the reference's",
        "K2-Vendor-Verifier tool_calls_eval.py, blind to names and to merged parallel calls",
    )
    CALLS_EMPTY = ("Finish reason tool_calls without tool calls", "K2-Instruct card, discussion 48")
    CALLS_WITH_STOP = ("Tool calls with finish reason stop", "ai-sdk-provider#420")
    FINISH_UNKNOWN = ("A finish reason outside the legal set", "Kimi-Vendor-Verifier kimi_model.py; SGLang")
    STREAM_UNFINISHED = (
        "The stream ends without finish reason or [DONE]",
        "K2-Vendor-Verifier tool_calls_eval.py masks it",
    )
    ARGUMENTS_CUT = ("Tool arguments cut or malformed", "vllm#34442, #38579")
    CALL_WITHHELD = ("A streamed tool call is withheld until the limit", "vllm#41182")
    OFF_SCHEMA = ("Undeclared tool, or arguments off the schema", "vLLM blog 2025-10-28; vllm#36891")
    IDS_WRONG = (
        "Tool call ids not of the form functions.name:idx, or used before",
        "kimchi#1063, vllm#50782, #46344, mlx-lm#821",
    )
    NO_REASONING = ("Thinking is on but there is no reasoning field", "vllm#37397")
    ANSWER_IN_REASONING = (
        "All output in the reasoning, content empty, finish reason stop",
        "vllm-ascend#9361, smg#1873, ik_llama#1685",
    )
    EARLY_END = ("Early end inside the thought: no content, no tool calls", "Fireworks blog on Kimi K2.5")
    REASONING_IN_CONTENT = ("Reasoning in the content, stray think tags", "privatemode#7")
    BUDGET_IN_REASONING = ("The reasoning uses up the budget: content null", "cloudflare workers-sdk#13239")
    TOKEN_ZERO = ("Endless exclamation marks (token 0)", "vllm#42426")
    LOOPS = ("Loops and repetition", "Kimi-K2.5#46, Kimi-K2#70")
    GIBBERISH = ("Gibberish, wrong language or script", "reports on INT4 variants")
    REFUSALS = ("Refuses what the reference answers", "reports on INT4 variants; added moderation")
    LENGTH_SHIFT = ("Answers shorter, or reasoning longer, than the reference's", "Kimi-Vendor-Verifier README")
    MODEL_SWAPPED = ("Another model under the same name", "arXiv:2410.20247, arXiv:2504.04715")
    OUTPUT_CAPPED = ("A silent cap below the asked max_tokens", "models.dev, output limits of hosts")
    BROKEN_200 = ("Status 200 with an empty body, or an error object inside", "Fireworks blog; gateways")
    USAGE_WRONG = ("Usage missing, zero or wrong", "pi#2017, Cogtrix#2376, Bike4Mind#1089")
    CACHED_MISPLACED = ("cached_tokens only in the other place", "promptfoo#10132")
    MODEL_MISNAMED = ("The model's name in the answer is another", "charmbracelet/fantasy, recorded exchanges")
    SLOW = ("Long silence before the first token or within the stream", "Kimi-Vendor-Verifier README")
    CONNECTION_CUT = ("The connection breaks before the answer is complete", "RFC 9112, section 8")
    UNASKED_BYTES = ("Bytes on an idle connection that nobody asked for", "aio-libs/aiohttp#13656; RFC 9112, 9.2")
    NOT_HTTP = ("What comes back is not HTTP", "RFC 9112, section 2.2")
    UNASKED_HEADERS = ("A cookie or a content coding that was not asked for", "PYSEC-2026-4392; RFC 9110, 12.5.3")

    @property
    def symptom(self) -> str:
        """What a client sees."""
        return self.value[0]

    @property
    def reports(self) -> str:
        """Where it was reported."""
        return self.value[1]
