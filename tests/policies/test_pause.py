"""What is saved up in a pause, and where it is not."""

from __future__ import annotations

import pytest

from brim.policies.pause import Pause


@pytest.mark.parametrize("saves", [False, True])
def test_a_step_is_saved_where_something_may_be(*, saves: bool) -> None:
    """
    Of a limit that is stated a second call may follow the first one after a pause at once; of others it may not.
    """
    assert Pause(saves=saves).saved_s(0.2, 10.0) == (0.2 if saves else 0.0)


@pytest.mark.parametrize(("sent_at", "saved"), [(9.9, 0.2), (10.0, 0.0), (10.05, 0.0), (10.15, 0.2)])
def test_nothing_is_saved_where_just_that_was_refused(sent_at: float, saved: float) -> None:
    """
    Only a call that went from what was saved up says that nothing is.
    """
    pause = Pause(saves=True)
    pause.saved_s(0.2, 10.0)

    pause.refused(0.2, sent_at=sent_at)

    assert pause.saved_s(0.2, 20.0) == saved
