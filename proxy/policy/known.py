"""The member names of the APIs this model is served by: what is not here, nobody has been seen to send or read.

Not here: which of them may be used (the packs say that). Two uses: a name found here needs no folding, and the
unknown-members clause acts on the rest. Invariant: names only, in plain lower-case ASCII.
"""

from __future__ import annotations

from typing import Final

_OPENAI: Final = """
    model messages stream stream_options temperature top_p n stop seed user metadata store service_tier
    max_tokens max_completion_tokens max_output_tokens presence_penalty frequency_penalty logit_bias logprobs
    top_logprobs response_format tools tool_choice parallel_tool_calls functions function_call modalities audio
    prediction web_search_options reasoning reasoning_effort verbosity prompt_cache_key prompt_cache_retention
    safety_identifier prompt suffix echo best_of input instructions include previous_response_id conversation
    background truncation text max_tool_calls
"""
"""openai/openai-openapi: chat completions, completions and responses."""
_ANTHROPIC: Final = """
    system stop_sequences top_k thinking container context_management mcp_servers output_config
"""
"""Anthropic API reference, Messages."""
_MOONSHOT: Final = """
    thinking partial prompt_cache_key safety_identifier
"""
"""Moonshot API reference (OpenAPI file), chat completions."""
_VLLM: Final = """
    thinking_token_budget include_reasoning use_beam_search top_k min_p repetition_penalty watermarking length_penalty
    stop_token_ids include_stop_str_in_output ignore_eos min_tokens skip_special_tokens spaces_between_special_tokens
    truncate_prompt_tokens truncation_side prompt_logprobs logprob_token_ids allowed_token_ids bad_words
    add_generation_prompt continue_final_message add_special_tokens documents chat_template chat_template_kwargs
    media_io_kwargs mm_processor_kwargs structured_outputs guided_json guided_regex guided_choice guided_grammar
    guided_decoding_backend guided_whitespace_pattern structural_tag priority request_id session_id
    return_tokens_as_token_ids return_token_ids routed_experts_prompt_start return_token_offsets return_prompt_text
    return_mm_kwargs cache_salt kv_transfer_params ec_transfer_params vllm_xargs repetition_detection stream_interval
    prompt_embeds enable_response_messages previous_input_messages previous_response
"""
"""vllm-project/vllm: entrypoints/openai/{chat_completion,completion,responses}/protocol.py; guided_* until 0.12."""
_SGLANG: Final = """
    regex ebnf json_schema stop_regex no_stop_trim lora_path session_params separate_reasoning stream_reasoning
    custom_logit_processor custom_params input_ids rid extra_key ngram_corpus_id bootstrap_host bootstrap_port
    bootstrap_room routed_dp_rank disagg_prefill_dp_rank data_parallel_rank images_config max_dynamic_patch
    min_dynamic_patch use_audio_in_video return_hidden_states return_routed_experts routed_experts_start_len
    return_cached_tokens_details return_prompt_token_ids return_meta_info task custom_labels
"""
"""sgl-project/sglang: srt/entrypoints/openai/protocol.py."""
_HOSTS: Final = """
    enable_thinking thinking_budget chat_template_args provider models route transforms plugins usage top_a preset
    reasoning_split
"""
"""Switches and routing of hosted vendors: docs/vendors.md; OpenRouter API reference, parameters and routing."""

_FLAGS: Final = """
    stream stream_options parallel_tool_calls logprobs top_logprobs service_tier store verbosity truncation
    max_output_tokens max_tool_calls include_reasoning separate_reasoning stream_reasoning
"""
FLAGS: Final = frozenset(_FLAGS.split())
"""Members with few and short values, the same in most requests of a client."""
KNOWN_MEMBERS: Final = frozenset(" ".join((_OPENAI, _ANTHROPIC, _MOONSHOT, _VLLM, _SGLANG, _HOSTS)).split())
