"""The provider that lies, and the clock to meet it on: for brim's own tests, for `brim sim`, for users' tests.

Stands on values and wire types alone and shares no code with the limiter, the policies or the dialects' decoders, so
that an error in one can't cancel itself out in the other.

A `Scenario` says what a provider is like, `load_scenario` knows some by name. A `Provider` behaves so, told the time:
`SimTransport` puts it behind brim's transport interface, in process and (under `run_virtual`) in no time at all,
`SimApp` makes an ASGI application of it, `brim.simulator.server` puts it on a loopback port. `Provider.tally` is its
book-keeping; `paced`, `greedy` and `least_time` are the clients to be measured against. Every name that stands here is
one of `brim.testing`, where users' tests find it.
"""

from brim.simulator.asgi import SimApp
from brim.simulator.asks import Ask
from brim.simulator.clock import Deadlock, VirtualLoop, run_virtual
from brim.simulator.delivery import FAULTS, Fault
from brim.simulator.errors import ERRORS
from brim.simulator.generation import answer_to
from brim.simulator.library import load_scenario, read_scenario, scenario_names
from brim.simulator.luck import all_faults
from brim.simulator.model import EPOCH, Provider
from brim.simulator.oracle import Makespan, departures, greedy, least_time, paced, steadfast
from brim.simulator.scenario import (
    Capacity,
    Change,
    FaultRule,
    Headers,
    Latency,
    Lengths,
    Limit,
    Ramp,
    Rival,
    Scenario,
)
from brim.simulator.stats import Tally
from brim.simulator.transport import SimTransport

__all__ = [
    "EPOCH",
    "ERRORS",
    "FAULTS",
    "Ask",
    "Capacity",
    "Change",
    "Deadlock",
    "Fault",
    "FaultRule",
    "Headers",
    "Latency",
    "Lengths",
    "Limit",
    "Makespan",
    "Provider",
    "Ramp",
    "Rival",
    "Scenario",
    "SimApp",
    "SimTransport",
    "Tally",
    "VirtualLoop",
    "all_faults",
    "answer_to",
    "departures",
    "greedy",
    "least_time",
    "load_scenario",
    "paced",
    "read_scenario",
    "run_virtual",
    "scenario_names",
    "steadfast",
]
