"""A process that the supervisor starts: how it obeys, what it reports, how it logs.

Not here: what it does (wire/ for a worker, scorer/ for the scorer) and who starts it (supervisor/).
"""
