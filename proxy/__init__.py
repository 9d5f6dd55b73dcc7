"""Paramwall: a drop-in base_url that enforces Kimi K2.6's decoding contract in front of any OpenAI-compatible vendor.

The floors (a file imports only from floors below its own; neighbours on one floor do not import each other):

    4  supervisor | simulator; above them cli, one file per command
    3  wire          HTTP towards client and vendor; pipeline.py is the life of a request
    2  config | metrics
    1  policy        (policy, envelope, profile) -> verdict; pure
    0  contract      what a chat completion is, as values; pure

The life of a request (wire/pipeline.py; docs/life-of-a-request.md): admit, read, parse, decide, encode, forward, relay,
tap.

The words, one meaning each: client (downstream); vendor (upstream); request, answer; exchange (request, answer and
timings); policy, clause, finding, verdict (allow, rewrite, reject); mode (thinking, instant); profile (how one vendor
spells things); receipt (the headers that tell a client what was done). A dry run is called observe.
"""

__version__ = "0.1.0"
