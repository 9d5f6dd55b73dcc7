"""What a vendor is asked in order to be tested, and what its answers say about it. Pure.

Not here: asking (verify/, scorer/). Invariant: a probe that got no answer says nothing about the vendor: it is neither
passed nor failed.
"""
