"""HTTP towards client and vendor: aiohttp's server in front, an own leg over llhttp towards the vendor.

The life of a request is pipeline.py. Not here: processes, files, policy. Invariant: what was judged is what is sent,
and the answer's bytes are the vendor's.
"""
