"""Payoffs -> evidence: detectors, effects, states. Pure: no clock, no randomness, no files; standard library only.

Not here: what is read from an answer (signals/), and what is kept (scorer/, store.py).
"""
