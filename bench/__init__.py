"""Side-by-side cost of proxies on the same work, on this machine, in one run: `python -m bench`.

The proxies are pinned to the first CPU, one of them working at a time; the load generator, the mock vendor and the
harness to the second. So CPU per request is a cost and does not depend on who saturates first. Everything is on
loopback, bounded in time, and ends only the processes it started.

    workloads.py  the bodies and how they are asked      vendor.py     a vendor that answers at once
    processes.py  pinned programs: CPU, memory, end      proxies.py    how each proxy is started
    cpu.py        CPU per request                        client.py     a client that notes when bytes arrive
    memory.py     per stream, stuck reader and body      latency.py    added first-byte time and chunk gap
    report.py     tables as text, Markdown and JSON      __main__.py   the command

Not here: tests of behaviour (tests/). Invariant: a ratio compares figures of one round; the median over the rounds is
published, because the machine is shared and noisy.
"""
