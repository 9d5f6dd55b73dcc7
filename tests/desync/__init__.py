"""Differential smuggling: mutated request streams through the proxy to real origins, and what each origin understood.

`python -m tests.desync.setup` says how to get the origins, `python -m tests.desync.run` plays the streams. Every origin
writes down each request it understood, so a request that nobody sent cannot hide behind a right answer.

Here: the shapes as data (shapes.yaml), streams made of them (streams.py), the strict reading of a stream
(reference.py), the origins (origins.py and what they run), playing (play.py) and judging (judging.py). Invariant: what
a stream is depends on its seed and number alone, and what is right about it on RFC 9112, never on what the proxy made
of it.
"""
