"""What a chat completion is, as values.

Here: the request body, the mode, the stream of events, the answer, the exchange, the vendor profile. Not here: I/O,
clocks, randomness, logging, pydantic. Invariant: everything is pure, so the same bytes always give the same value.
"""
