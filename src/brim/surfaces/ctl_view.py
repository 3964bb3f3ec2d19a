"""What `brim ctl` shows: a run's state in a few lines of plain text, as wide as they need to be."""

from __future__ import annotations

import time
from typing import Final

from brim.surfaces.orders import LaneStatus, State, Status
from brim.surfaces.params import spell_limits
from brim.surfaces.screen import budget, compact, counted, duration, money, one_line, point
from brim.values import FailureKind, Gauge

__all__ = ["after", "view"]

_BAR: Final = 20
"""Characters of a full limit."""


def view(status: Status) -> str:
    """The whole state."""
    head = [
        ("run", f"{_doing(status)}, {duration(status.seconds)} so far, process {status.pid}"),
        ("rows", _rows(status)),
        ("requests", f"{status.in_flight:,} in flight, {status.rates.requests:,.0f}/min{_trouble(status)}"),
        ("tokens", _tokens(status)),
        *_budget(status),
    ]
    return _table(head) + "".join(f"\n{_lane(lane)}" for lane in status.lanes)


def after(status: Status) -> str:
    """What became of an order: a line for each lane."""
    lines = [f"{one_line(lane.name)}: {_state(lane)}; {_stated(lane)}" for lane in status.lanes]
    if status.state is State.DRAINING or not lines:
        lines = [_doing(status) if lines else f"{_doing(status)}; no lane has begun yet"]
    lines += [f"{label}: {text}" for label, text in _budget(status)]
    return "".join(f"{line}\n" for line in lines)


def _doing(status: Status) -> str:
    if status.state is State.DRAINING:
        return f"draining: {counted(status.in_flight, 'request')} still to come home"
    return "paused by hand" if status.state is State.PAUSED else status.state


def _rows(status: Status) -> str:
    done = status.answered + status.failed
    share = f" of {status.total:,} ({done / max(1, status.total):.0%})" if status.total is not None else ""
    left = f", {duration(status.left_s)} left" if status.left_s else ""
    earlier = f", {status.earlier:,} in an earlier run" if status.earlier else ""
    return f"{done:,}{share} done, {status.failed:,} failed{earlier}{left}"


def _trouble(status: Status) -> str:
    counts = {
        "retried": status.retried,
        "throttled": status.throttled,
        "cut by the token cap": status.truncated,
        "perhaps paid for nothing": status.perhaps_paid,
    }
    return "".join(f", {count:,} {name}" for name, count in counts.items() if count)


def _tokens(status: Status) -> str:
    cost = f", {money(status.cost_usd)} at {status.price_basis}" if status.cost_usd is not None else ""
    return f"{compact(status.rates.tokens)}/min; {status.input_tokens:,} in, {status.output_tokens:,} out{cost}"


def _budget(status: Status) -> list[tuple[str, str]]:
    if status.spent_usd is None:
        return []
    return [("budget", budget(status.spent_usd, status.budget_usd))]


def _lane(lane: LaneStatus) -> str:
    rows = [
        ("on the wire", f"{lane.in_flight:,} of {lane.window:,}, {lane.queued:,} queued"),
        ("held up by", one_line(lane.binding)),
        ("stated", _stated(lane)),
        *((one_line(gauge.name), _fill(gauge)) for gauge in lane.gauges),
    ]
    return f"{one_line(lane.name)}: {_state(lane)}\n{_table(rows, indent='  ')}"


def _state(lane: LaneStatus) -> str:
    if lane.state is State.PAUSED:
        home = f"; {lane.in_flight:,} still on the wire" if lane.in_flight else ""
        return f"paused by hand{home}"
    if lane.state is State.WAITING:
        return f"waits {duration(lane.waits_s or 0.0)} ({lane.why})"
    is_told = lane.why is not None and lane.why != FailureKind.STOPPED
    until = "" if lane.opens_at is None else f" until {point(lane.opens_at, time.time())}"
    return f"{lane.state}{until} ({lane.why})" if is_told else f"{lane.state}{until}"


def _stated(lane: LaneStatus) -> str:
    stated = {name: value for name in lane.limits.__struct_fields__ if (value := getattr(lane.limits, name))}
    return spell_limits(stated)


def _fill(gauge: Gauge) -> str:
    full = int(gauge.used * _BAR)
    bar = f"[{'#' * full}{'.' * (_BAR - full)}]"
    return f"{bar} {gauge.used:4.0%} of {compact(gauge.limit)} ({gauge.source})"


def _table(rows: list[tuple[str, str]], indent: str = "") -> str:
    width = max(len(label) for label, _ in rows)
    return "".join(f"{indent}{label:<{width}}  {text}\n" for label, text in rows)
