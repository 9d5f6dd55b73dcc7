"""A vendor or reference as we call it ourselves: for the mirror, for probes, for a replay.

Not here: the client's path (wire/). Invariant: a call ends in one Reply within its timeouts and in bounded memory,
whatever comes back; only the endpoint's own key goes there.
"""
