"""`paramwall report`: what is known of the vendors, as one page.

Not here: finding anything out (scorer/, verify/, replay/). Invariant: every figure is from a file that it names, and
what is not known is said.
"""
