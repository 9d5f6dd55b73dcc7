"""paramwall.yaml, flags and environment -> one frozen Config; the only reader of os.environ.

Here: values.py (what everybody else sees) and load.py (how it is made; it names the steps). Not here: what is done with
a Config. Invariant: a configuration is used whole or not at all, and everything wrong with it is said at once.
"""
