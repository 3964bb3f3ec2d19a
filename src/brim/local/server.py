"""Serve an embedded model over HTTP on loopback: `python -m brim.local.server NAME`.

Prints one line of JSON, `{"url": ...}`, once it answers, and ends when its standard input closes, so that it never
outlives the process that started it, however that one ended. It runs apart from brim because a fault in native code
must not take a run down, and because its threads must not compete for brim's interpreter lock.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

import msgspec

from brim.local.models import Model, find

if TYPE_CHECKING:
    import xllamacpp  # type: ignore[import-untyped] # it has no stubs

__all__ = ["SLOTS", "main"]

SLOTS: Final = 4
"""Requests generated at once; the others queue in the server. More slots bring little on few cores."""

_HTTP_THREADS: Final = 64
"""Every kept-alive connection holds one; with fewer than connections, requests wait for tens of seconds."""


def main(arguments: list[str]) -> None:
    """Serve the model named by the only argument until standard input closes."""
    (name,) = arguments
    announce = _private_stdout()
    server = _start(find(name))
    os.write(announce, msgspec.json.encode({"url": server.listening_address}) + b"\n")
    sys.stdin.read()
    # Native threads may be in the middle of an answer that nobody waits for: no orderly exit is owed to them.
    os._exit(0)


def _private_stdout() -> int:
    """Keep standard output for our one line: whatever native code prints goes to standard error."""
    announce = os.dup(1)
    os.dup2(2, 1)
    return announce


def _start(model: Model) -> xllamacpp.Server:
    """Load the weights and listen on a free port of loopback."""
    # libgomp reads this when it is loaded. Threads that spin while they wait take a core each, and the rate falls
    # twentyfold as soon as anything else runs on the machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xllamacpp  # noqa: PLC0415 - only after the line above

    params = xllamacpp.CommonParams()
    params.model.path = str(model.path)
    params.model_alias = {model.alias}
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_parallel, params.n_ctx, params.kv_unified = SLOTS, model.context * SLOTS, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _threads()
    params.n_threads_http = _HTTP_THREADS
    params.n_gpu_layers, params.cache_ram_mib, params.ui, params.verbosity = 0, 0, False, 0
    return xllamacpp.Server(params)


def _threads() -> int:
    """Leave a core to everybody else where there are more than two; with passive waiting two may share."""
    cores = os.cpu_count() or 1
    return cores if cores <= 2 else cores - 1


if __name__ == "__main__":
    main(sys.argv[1:])
