"""`paramwall replay`: recorded requests asked again of vendors and of the reference, resumable, and scored.

Not here: single calls (endpoint/), signals and detectors (signals/, drift/). Invariant: a request that was answered is
never sent again, whenever the process was stopped.
"""
