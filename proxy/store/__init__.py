"""What survives the process: the scorer's log, one private SQLite file.

Not here: what the rows mean (drift/) and when they are written (scorer/). Invariant: one process writes at a time, and
what it committed is there after any crash, once and in its order.
"""

from __future__ import annotations

from proxy.store.database import StoreBusy, StoreError, StoreMissing
from proxy.store.log import Acknowledgement, Store

__all__ = ["Acknowledgement", "Store", "StoreBusy", "StoreError", "StoreMissing"]
