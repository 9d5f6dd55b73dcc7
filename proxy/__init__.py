"""Paramwall: a drop-in base_url that enforces Kimi K2.6's decoding contract in front of any OpenAI-compatible vendor,
compares a share of the answers with a reference, and says when a vendor begins to degrade.

The floors (a file imports only from floors below its own; neighbours on one floor do not import each other):

    6  cli           one file per command
    5  supervisor | simulator
    4  wire          HTTP towards client and vendor; pipeline.py is the life of a request
       shadow        the worker's half of the shadow: what is mirrored, and the outbox
       scorer        the other process: checks, asks the reference, scores, folds, keeps the log
    3  child         how a process that the supervisor starts obeys, reports and logs
    2  config | metrics
       store         the log: rows in order and the state after them, in SQLite
    1  policy        (policy, envelope, profile) -> verdict; pure
       signals       answer, pair or triple -> numbers; pure
       drift         rows -> evidence, alarms, states; pure
    0  contract      what a chat completion is, as values; pure

The life of a request (wire/pipeline.py; docs/life-of-a-request.md): admit, read, parse, decide, encode, forward, relay,
tap. After it, in the scorer: take, assemble, check, admit, ask, score, fold, commit.

The words, one meaning each: client (downstream); vendor (upstream, under watch); reference (the endpoint trusted as
truth); request, answer; exchange (request, answer and timings); pair (the vendor's answer and the reference's), triple
(with a second answer of the reference); policy, clause, finding, verdict (allow, rewrite, reject); mode (thinking,
instant); profile (how one vendor spells things); receipt (the headers that tell a client what was done); mirror (the
act of copying), shadow (the mirrored traffic); admission (a request accepted for the mirror and numbered); signal (one
number read from an answer, pair or triple), payoff (a signal as a bet in [-1, 1]); series (one signal of one vendor,
policy and mode), detector (what folds it), evidence (what it has gathered), alarm, state. A dry run is called observe.
"""

__version__ = "0.1.0"
