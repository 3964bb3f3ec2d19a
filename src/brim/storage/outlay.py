"""What earlier processes spent, rebuilt from the journal, so that a budget holds over restarts.

Under a budget three kinds of line tell it: a *sent* mark before each attempt, with the worst that it may cost; a
*charged* line where it brought no answer with a cost; and a *result* with what its answer cost. An attempt with a mark
alone was in flight when its process died, or was cancelled, and keeps its worst. A row without marks was sent while no
budget was set: its answer counts with its cost, and each of its attempts that may be billed for nothing as much as the
dearest answer by then.
"""

from __future__ import annotations

from collections.abc import Callable

from brim.policies.budget import nanos
from brim.policies.prices import Price
from brim.storage.lines import Charged, Head, Line, Sent, Taken, read_taken

__all__ = ["Outlay"]


class Outlay:
    """The spend of earlier processes, read line by line; give its `read` to `Journal.open`.

    Args:
        price: what calls to the model that a row names (None: the run's) cost, for answers recorded without a cost.

    Attributes:
        spent: nano-dollars in all; of that
        unsure: for attempts of which nobody knows what they cost.
    """

    def __init__(self, price: Callable[[str | None], Price | None]) -> None:
        self.spent = 0
        self.unsure = 0
        self._price = price
        self._open: dict[int, list[int]] = {}
        self._dearest = 0

    def read(self, line: Line, raw: bytes) -> None:
        """Take one line of the journal; *raw* is all of it."""
        match line:
            case Sent(worst=worst) if worst:
                self._open.setdefault(line.position, []).append(worst)
                self._add(worst, unsure=worst)
            case Charged():
                worst = self._close(line.position)
                self._add(line.nanos, unsure=line.nanos if line.nanos == worst else 0)
            case Head():
                self._ended(read_taken(raw))

    def _ended(self, taken: Taken) -> None:
        usd = taken.result.cost_usd
        if taken.position in self._open:
            cost = doubtful = 0
            if usd is not None:
                self._close(taken.position)
                cost = nanos(usd)
            del self._open[taken.position]
        else:
            cost = nanos(self._listed(taken) if usd is None else usd)
            doubtful = taken.perhaps_paid * max(self._dearest, cost)
        self._dearest = max(self._dearest, cost)
        self._add(cost + doubtful, unsure=doubtful)

    def _listed(self, taken: Taken) -> float:
        """What a result that was recorded without a cost is worth by now."""
        price, usage = self._price(taken.lane), taken.result.usage
        return 0.0 if price is None or usage is None else price.cost(usage)

    def _close(self, position: int) -> int:
        """Take back the worst of the attempt for *position* that was marked last, if it is still open."""
        worst = marks.pop() if (marks := self._open.get(position)) else 0
        self._add(-worst, unsure=-worst)
        return worst

    def _add(self, amount: int, *, unsure: int) -> None:
        self.spent += amount
        self.unsure += unsure
