"""Credit: lost by contradictions, restored by answers that contain none."""

from __future__ import annotations

from brim.policies.credit import Credit


def test_three_contradictions_cost_the_credit_and_many_answers_restore_it() -> None:
    """
    Two are borne; after the third it takes hundreds of answers.
    """
    credit = Credit()
    for _ in range(2):
        credit.contradicted()
    assert not credit.is_lost
    credit.contradicted()
    assert credit.is_lost
    for _ in range(199):
        credit.borne_out()
    assert credit.is_lost
    credit.borne_out()

    assert not credit.is_lost


def test_a_contradiction_begins_the_count_anew() -> None:
    """
    Answers before it do not count.
    """
    credit = Credit()
    for _ in range(3):
        credit.contradicted()
    for _ in range(199):
        credit.borne_out()
    credit.contradicted()
    credit.borne_out()

    assert credit.is_lost


def test_credit_that_is_lost_again_takes_twice_as_long_to_come_back() -> None:
    """
    What is lost asks for little, and little is refused: that proves less each time.
    """
    credit = Credit()
    for answers in (200, 400, 800):
        while not credit.is_lost:
            credit.contradicted()
        for _ in range(answers - 1):
            credit.borne_out()
        assert credit.is_lost
        credit.borne_out()
        assert not credit.is_lost
