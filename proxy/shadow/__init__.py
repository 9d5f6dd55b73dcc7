"""The worker's half of the shadow: which requests are mirrored, and what crosses to the scorer.

Not here: HTTP (wire/) and the scorer. Invariant: nothing here waits, and whatever happens here, the client's answer is
the same.
"""
