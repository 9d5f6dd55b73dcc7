"""A Kimi K2.6 vendor that runs anywhere, honest or faulty on demand.

    async with Simulator(Options(instant=True, faults=parse_faults("cut-stream=0.1"))) as vendor:
        ...  # vendor.url is a base_url; vendor.received is what reached it

The life of an answer: request.py reads, refusals.py judges, plan.py decides what is said with the words of sampler.py,
sending.py writes it in a shape of shapes.py, transmit.py puts it on the wire; faults/ change the value between two of
these. Invariant: all but server.py and transmit.py is pure; dice and clock are passed in.
"""

from proxy.simulator.faults.parse import parse_fault, parse_faults
from proxy.simulator.options import FaultSetting, Lengths, Lognormal, Options, Pacing, Received
from proxy.simulator.server import Simulator

__all__ = [
    "FaultSetting",
    "Lengths",
    "Lognormal",
    "Options",
    "Pacing",
    "Received",
    "Simulator",
    "parse_fault",
    "parse_faults",
]
