"""The order of evidence, as rules over all statuses; single bodies are in the corpus."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.protocols import WireResponse
from brim.protocols.classify import failure
from brim.protocols.faults import MESSAGE_LENGTH, presentable, read_fault
from brim.values import Failure, FailureKind, Reply
from protocols.cases import DIALECTS, FIXED

ERRORS = st.integers(400, 599)
QUOTA_CODES = ("insufficient_quota", "credit_balance_exhausted", "enforced_spend_limit_reached", "billing_error")


def fail(status: int, body: object, headers: dict[str, str] | None = None) -> Failure:
    wire = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return failure(WireResponse(status=status, headers=headers or {}, body=wire, received_at=0.0))


@FIXED
@given(status=ERRORS | st.just(200), code=st.sampled_from(QUOTA_CODES), should_retry=st.sampled_from(["", "true"]))
def test_a_quota_code_beats_every_status(status: int, code: str, should_retry: str) -> None:
    """
    Out of credit is out of credit, in a 429, in a 500, in a 200, and when told to retry.
    """
    outcome = fail(status, {"error": {"message": "no", "code": code}}, {"x-should-retry": should_retry})

    assert outcome.kind is FailureKind.QUOTA
    assert outcome.code == code


@FIXED
@given(status=ERRORS)
def test_a_bare_status_is_never_a_success_or_our_own_kind(status: int) -> None:
    """
    Unknown client errors are invalid, unknown server errors are the server's; a 429 is always waited out.
    """
    kind = fail(status, b"").kind
    known = {400, 401, 402, 403, 404, 405, 407, 408, 409, 410, 413, 421, 424, 425, 429, 451, 498, 499, 501, 503, 529}

    assert status in known or kind is (FailureKind.INVALID if status < 500 else FailureKind.SERVER)
    assert status != 429 or kind.is_waited_out


@FIXED
@given(status=ERRORS, digits=st.sampled_from([401, 402, 403, 404, 429, 500, 503, 529]))
def test_digits_in_the_text_mean_nothing(status: int, digits: int) -> None:
    """
    A number among the words is a wait or a count, never a status.
    """
    with_digits = fail(status, {"error": {"message": f"sorry, {digits} of these"}})
    without = fail(status, {"error": {"message": "sorry, some of these"}})

    assert with_digits.kind is without.kind


@pytest.mark.parametrize(
    ("status", "word", "kind"),
    [
        (500, "false", FailureKind.INVALID),
        (500, "true", FailureKind.SERVER),
        (400, "true", FailureKind.SERVER),
        (400, "false", FailureKind.INVALID),
        (400, "TRUE", FailureKind.SERVER),
        (429, "false", FailureKind.THROTTLED),
        (503, "false", FailureKind.OVERLOADED),
        (401, "true", FailureKind.DENIED),
        (413, "true", FailureKind.TOO_LARGE),
        (500, "perhaps", FailureKind.SERVER),
    ],
)
def test_should_retry_settles_only_what_is_open(status: int, word: str, kind: FailureKind) -> None:
    """
    The header decides between failing and trying again; it neither ends a throttle nor repeats a denial.
    """
    assert fail(status, b"", {"x-should-retry": word}).kind is kind


@pytest.mark.parametrize("kind", [FailureKind.INVALID, FailureKind.DENIED, FailureKind.TOO_LARGE])
def test_no_wait_where_waiting_is_no_use(kind: FailureKind) -> None:
    """
    A wait beside a final failure is not passed on.
    """
    status = {FailureKind.INVALID: 400, FailureKind.DENIED: 401, FailureKind.TOO_LARGE: 413}[kind]
    outcome = fail(status, b"", {"retry-after": "5"})

    assert (kind, None) == (outcome.kind, outcome.retry_after)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key sk-abcdef123456 is bad.", "key sk-*** is bad."),
        ("key sk-ant-api03-AAAA_BBBB-CCCC is bad", "key sk-*** is bad"),
        ('{"key": "sk-proj-abcdef"}', '{"key": "sk-***"}'),
        ("gsk_abcdefghij1234 used", "gsk_*** used"),
        ("AIzaSyA1234567890abcdefg used", "AIza*** used"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.abc-def sent", "jwt *** sent"),
        ("x-api-key: qwertyuiop", "x-api-key: ***"),
        ("Incorrect API key provided: qwerty12.", "Incorrect API key provided: ***."),
        ("deadbeef0123456789abcdef01234567 was sent", "*** was sent"),
        ("task-list is no key, nor is risk-based", "task-list is no key, nor is risk-based"),
        ("a\tb\r\n\x1b[31mred\x00", "a b [31mred"),
        ("turned \u202e round", "turned \N{REPLACEMENT CHARACTER} round"),
        ("  blank  ", "blank"),
    ],
)
def test_messages_are_fit_to_show(text: str, shown: str) -> None:
    """
    What looks like a key is masked, control characters are gone, the rest stays as it was.
    """
    assert shown == presentable(text)


@FIXED
@given(st.text(max_size=3 * MESSAGE_LENGTH))
def test_messages_are_short_and_printable(text: str) -> None:
    """
    Whatever a provider says takes one line of bounded length.
    """
    shown = presentable(text)

    assert len(shown) <= MESSAGE_LENGTH
    assert shown.isprintable()


def test_a_key_at_the_cut_is_masked_too() -> None:
    """
    Cutting a long message leaves no half key behind.
    """
    key = "sk-" + "a1b2c3d4" * 8

    for before in range(MESSAGE_LENGTH - 80, MESSAGE_LENGTH + 10):
        assert "a1b2" not in presentable("x" * before + " " + key)


@FIXED
@given(text=st.text(), status=ERRORS)
def test_an_error_of_any_words_is_read(text: str, status: int) -> None:
    """
    The words of an error come through every shape that carries them.
    """
    shapes: tuple[Any, ...] = (
        {"error": {"message": text}},
        [{"error": {"message": text}}],
        {"error": text},
        {"message": text, "code": status},
        {"detail": text},
        {"detail": [{"msg": text}]},
        {"errors": [{"message": text}]},
    )

    for shape in shapes:
        assert text == read_fault(msgspec.json.encode(shape)).message


@FIXED
@given(text=st.text())
def test_text_comes_back_through_every_dialect(text: str) -> None:
    """
    What the model said is what the reply holds, to the character.
    """
    bodies: dict[str, dict[str, Any]] = {
        "openai": {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]},
        "anthropic": {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"},
        "responses": {
            "status": "completed",
            "output": [{"type": "message", "content": [{"type": "output_text", "text": text}]}],
        },
    }
    for name, body in bodies.items():
        wire = WireResponse(status=200, headers={}, body=msgspec.json.encode(body), received_at=0.0)

        assert DIALECTS[name].decode(wire) == Reply(text=text)
