"""`paramwall verify`: all probes against one vendor, resumable, with a verdict for each layer.

Not here: the probes (probes/) and single calls (endpoint/). Invariant: what was answered once is not asked again.
"""
