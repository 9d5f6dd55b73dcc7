"""The process that watches: checks answers, asks the reference, scores pairs, folds them into evidence.

Not here: what a worker does for it (shadow/), and who starts it (supervisor/). Invariant: a client never waits for
anything in here; all of it may die or hang at any time.
"""
