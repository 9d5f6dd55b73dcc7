"""Heavy days in small: many clients at once, clients that leave or never read, overload, restarts, worst inputs.

Each module is a command, `python -m tests.load.NAME`, with its counts as options; it prints what it measured beside the
bar and ends with 1 outside it. The default suite runs each in small and asserts what must hold on any machine: nothing
lost, nothing mixed up, nothing left. Times are asserted by the commands alone.

Not here: single exchanges as transcripts (tests/wire, tests/cases/wire). Invariant: everything is on loopback, bounded
in count and time, and ends only what it started.
"""
