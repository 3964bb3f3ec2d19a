"""Where windows begin, from the moments between which all of a limit was there again."""

from __future__ import annotations

import pytest

from brim.policies.edges import Edges

NOBODY = float("inf")


def test_several_edges_narrow_each_other() -> None:
    """
    What two edges have in common is believed, the later end of it.
    """
    edges = Edges()
    edges.saw(36.0, 38.0)
    edges.saw(96.9, 97.4)

    assert edges.following(100.0, NOBODY) == pytest.approx(157.4, abs=0.2)


def test_the_length_of_a_window_is_measured() -> None:
    """
    It was thought to be a minute and is 57 seconds.
    """
    edges = Edges()
    for number in range(1, 5):
        edges.saw(57.0 * number - 0.2, 57.0 * number + 0.2)

    assert edges.span == pytest.approx(57.0, abs=0.4)


def test_a_reset_that_fits_is_more_exact_than_a_wide_edge() -> None:
    """
    Nothing was sent for ten seconds before the edge: the reset that the server names lies in between, and counts.
    """
    edges = Edges()
    edges.saw(50.0, 60.0)

    assert edges.following(70.0, 54.0) == pytest.approx(114.0)
    assert edges.following(70.0, 30.0) == pytest.approx(120.0)


def test_edges_are_forgotten() -> None:
    """
    After some windows without one, nobody knows any more.
    """
    edges = Edges()
    edges.saw(50.0, 60.0)

    assert edges.is_known(200.0)
    assert not edges.is_known(400.0)


def test_an_edge_is_counted_once() -> None:
    """
    Once the moment that the server named is over, the next edge is a window later, not where this one could end.
    """
    edges = Edges()
    edges.saw(50.0, 60.0)

    assert edges.following(113.0, 54.0) == pytest.approx(114.0)
    assert edges.following(115.0, 54.0) == pytest.approx(174.0)
    assert edges.following(121.0, 54.0) == pytest.approx(174.0)


def test_edges_move_with_what_is_thought_of_the_moment() -> None:
    """
    What is shown turned out to be two seconds old: all edges were two seconds earlier.
    """
    edges = Edges()
    edges.saw(61.8, 62.2)
    edges.moved(-2.0)

    assert edges.following(100.0, NOBODY) == pytest.approx(120.2)


def test_knows_which_edge_was_seen() -> None:
    """
    That of the first minute was, that of the second not yet.
    """
    edges = Edges()
    edges.saw(59.0, 60.5)

    assert edges.was_seen(60.0)
    assert not edges.was_seen(120.0)
