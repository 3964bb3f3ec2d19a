"""The server's wait in every spelling, and what is none."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.protocols import WireResponse
from brim.protocols.classify import failure
from brim.protocols.faults import Fault
from brim.protocols.waits import exact_wait, parse_duration, parse_wait, retry_after, until_reset
from brim.values import Failure
from protocols.cases import FIXED

NOW = 1_763_800_000.0  # 2025-11-22T08:26:40Z
SILENT = Fault()


def refused(headers: Mapping[str, str], *, at: float = NOW) -> Failure:
    return failure(WireResponse(status=429, headers=headers, body=b"{}", received_at=at))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("7.66s", 7.66),
        ("12m45.504s", 765.504),
        ("1m20ms", 60.02),
        ("0s", 0.0),
        ("1.5h", 5400.0),
        ("500us", 0.0005),
        ("500µs", 0.0005),
        ("100ns", 1e-7),
        ("58s", 58.0),
        ("1d", 86400.0),
    ],
)
def test_reads_go_durations(text: str, seconds: float) -> None:
    """
    Milliseconds are no minutes, and units add up.
    """
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", "s", "5", "m5", "-1s", "1s tail", "tail 1s", "1 fortnight", "٣s", "nan", "9" * 400 + "h"]
)
def test_refuses_what_is_no_duration(text: str) -> None:
    """
    A number without a unit, a sign, or anything around it makes it none.
    """
    assert parse_duration(text) is None


@FIXED
@given(hours=st.integers(0, 99), minutes=st.integers(0, 59), seconds=st.integers(0, 59), millis=st.integers(0, 999))
def test_durations_come_back(hours: int, minutes: int, seconds: int, millis: int) -> None:
    """
    Any duration as Go writes it reads as its length.
    """
    text = f"{hours}h{minutes}m{seconds}.{millis:03}s"

    assert parse_duration(text) == pytest.approx(hours * 3600 + minutes * 60 + seconds + millis / 1000)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("20", 20.0),
        (" 1.5 ", 1.5),
        (".5", 0.5),
        ("86400", 86400.0),
        ("30s", 30.0),
        ("1763800040", 40.0),
        ("1763800030500", 30.5),
        ("1763700000", 0.0),
        ("2025-11-22T08:27:00Z", 20.0),
        ("2025-11-22T08:27:00.250Z", 20.25),
        ("2025-11-22T09:27:00+01:00", 20.0),
        ("2025-11-22T08:27:00", 20.0),
        ("2025-11-22T08:00:00Z", 0.0),
        ("Sat, 22 Nov 2025 08:27:10 GMT", 30.0),
        ("Saturday, 22-Nov-25 08:27:10 GMT", 30.0),
        ("Sat Nov 22 08:27:10 2025", 30.0),
        ("Sat, 22 Nov 2025 03:27:10 -0500", 30.0),
        ("Sat, 22 Nov 2025 08:27:10 -0000", 30.0),
        ("Fri, 21 Nov 2025 08:27:10 GMT", 0.0),
    ],
)
def test_reads_a_wait_by_its_shape(value: str, seconds: float) -> None:
    """
    Seconds, durations, points in time: the shape tells which, the past is now.
    """
    assert parse_wait(value, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "Infinity",
        "-1",
        "-0.5",
        "1_000",
        "1e3",
        "soon",
        "9" * 400,
        "٣",
        "99999-01-01T00:00:00Z",
        "Sat, 99 Nov 2025 08:27:10 GMT",
    ],
)
def test_refuses_what_is_no_wait(value: str) -> None:
    """
    No NaN, no infinity, no negative number, nothing Python alone would take for a number.
    """
    assert parse_wait(value, NOW) is None


@FIXED
@given(st.integers(0, 1_000_000))
def test_http_dates_come_back(ahead: int) -> None:
    """
    A date ahead gives the seconds until it.
    """
    at = datetime.fromtimestamp(NOW + ahead, tz=UTC)

    assert parse_wait(format_datetime(at, usegmt=True), NOW) == ahead


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Please try again in 12m45.504s.", 765.504),
        ("Please try again in 6ms. Visit us.", 0.006),
        ("Please retry after 45 seconds.", 45.0),
        ("Please retry after 1 second.", 1.0),
        ("Try again in 2 minutes", 120.0),
        ("try again in 1 hour", 3600.0),
        ("Please retry in 34.07s.", 34.07),
        ("Retry after 86400 seconds", 86400.0),
        ("try again in about 5 mins", 300.0),
        ("Try Again In 1H2M", 3720.0),
        ("try again in 500 milliseconds", 0.5),
        ("Please try again in 1 hour and 30 minutes.", 5400.0),
        ("Please try again in 2 minutes, 5 seconds.", 125.0),
        ("Please try again in 6m 30s.", 390.0),
        ("Try again in 1 h 5 min", 3900.0),
        ("retry in 10 s", 10.0),
        ("retry in 250 ms", 0.25),
        ("Try again in an hour.", 3600.0),
        ("try again in 1,200 seconds", 1200.0),
        ("Please try your request again in 35 seconds", 35.0),
        ("Rate limit of 10 per 60s exceeded for UserByModelByMinute. Please wait 46 seconds before retrying.", 46.0),
        ("Please wait 0 seconds before retrying.", 0.0),
        ("Request was throttled. Expected available in 52 seconds.", 52.0),
        ("Too many requests (Retry-After: 7s)", 7.0),
        ("Your limit resets in about 45s", 45.0),
        ("try again in 20s, 1 minute limit", 20.0),
        ("wait a moment", None),
        ("it had to wait 30 seconds", None),
        ("try again in 20", None),
        ("try again in a while", None),
        ("limit 45 seconds", None),
        ("try again in " + "9" * 400 + " seconds", None),
    ],
)
def test_reads_a_wait_in_words(said: str, seconds: float | None) -> None:
    """
    Only the phrases that ask to wait hold a wait, and only with a unit.
    """
    assert retry_after({}, Fault(message=said), NOW) == pytest.approx(seconds)


def test_the_more_exact_wait_comes_first() -> None:
    """
    Milliseconds, then seconds, then what the body says of this request; the reset of a used-up limit is none of these.
    """
    resets = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "60s"}
    said = Fault(message="try again in 5s", delay="4s", headers={"retry-after": "3"})
    headers = {**resets, "retry-after-ms": "250", "retry-after": "2"}
    waits = [retry_after(headers, said, NOW)]
    for name in ("retry-after-ms", "retry-after"):
        del headers[name]
        waits.append(retry_after(headers, said, NOW))
    waits.append(retry_after(headers, Fault(message=said.message, delay=said.delay), NOW))
    waits.append(retry_after(headers, Fault(message=said.message), NOW))
    waits.append(retry_after(headers, SILENT, NOW))

    assert waits == [0.25, 2.0, 3.0, 4.0, 5.0, None]


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry-after-ms": "0", "retry-after": "7"}, "", 7.0),
        ({"retry-after": "0"}, "Please retry after 45 seconds.", 45.0),
        ({"retry-after": "Sat, 22 Nov 2025 08:00:00 GMT"}, "try again in 3s", 3.0),
        ({"retry-after-ms": "-1", "retry-after": "0"}, "too fast", 0.0),
    ],
)
def test_a_wait_of_nothing_shortens_no_other(headers: dict[str, str], message: str, seconds: float) -> None:
    """
    Azure writes 0 where it does not know: what else is said counts then.
    """
    assert retry_after(headers, Fault(message=message), NOW) == seconds


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": "too fast", "retry_after": 300}, 300.0),
        ({"error": {"message": "too fast", "retry_after_seconds": 2.5}}, 2.5),
        ({"error": {"message": "too fast", "metadata": {"retry_after_ms": 1500}}}, 1.5),
        ({"detail": {"error": "rate_limit_exceeded", "retryAfter": "20"}}, 20.0),
        ({"error": {"message": "too fast", "retry_after": True}}, None),
        ({"error": {"message": "too fast", "retry_after": -1}}, None),
        ({"error": {"message": "too fast", "retry_after": None}}, None),
    ],
)
def test_a_field_of_the_body_may_hold_the_wait(body: dict[str, object], seconds: float | None) -> None:
    """
    Gateways write it as a number, the unit in the name.
    """
    response = WireResponse(status=429, headers={}, body=json.dumps(body).encode(), received_at=NOW)

    assert failure(response).retry_after == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-tokens": "1", "x-ratelimit-reset-tokens": "6m0s"}, None),
        ({"x-ratelimit-remaining-tokens": "-1", "x-ratelimit-reset-tokens": "0"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "-1"}, None),
        ({"x-ratelimit-remaining-tokens": "0"}, None),
        ({"x-rate-limit-reset-tokens": "9"}, 9.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1763800060000"}, 60.0),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "11"}, 11.0),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2025-11-22T08:26:45Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2025-11-22T08:26:50Z",
                "anthropic-ratelimit-output-tokens-remaining": "9000",
                "anthropic-ratelimit-output-tokens-reset": "2025-11-22T09:00:00Z",
            },
            10.0,
        ),
        ({"x-reset-password": "5"}, None),
    ],
)
def test_waits_for_the_limits_that_are_used_up(headers: dict[str, str], seconds: float | None) -> None:
    """
    The longest reset among exhausted limits counts, one with something left never does.
    """
    assert seconds == until_reset(headers, SILENT, NOW)


@pytest.mark.parametrize(
    ("remaining", "reset", "wait", "is_reset"),
    [
        ("0", "12h0m0s", 43_200.0, False),
        ("0", f"{NOW + 43_200:.0f}", 43_200.0, False),
        ("0", "2025-11-22T20:26:40Z", 43_200.0, False),
        ("0", "43200", 43_200.0, True),
        ("0", "10m0s", 600.0, True),
        ("1", "12h0m0s", None, False),
        ("-1", "12h0m0s", None, False),
        (None, "12h0m0s", 43_200.0, True),
    ],
)
def test_a_reset_that_is_hours_away_is_a_wait(
    remaining: str | None,
    reset: str,
    wait: float | None,
    is_reset: bool,  # noqa: FBT001 - a table
) -> None:
    """
    Where nothing is left for hours there is no point in asking, unless the hours may be a wrong unit.
    """
    shown = {} if remaining is None else {"x-ratelimit-remaining-requests": remaining}
    failed = refused({**shown, "x-ratelimit-reset-requests": reset})

    assert (failed.retry_after, failed.is_reset) == (wait, is_reset)


@FIXED
@given(
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-reset-tokens"]),
        st.text(max_size=40) | st.floats().map(str) | st.integers().map(str) | st.dates().map(str),
    ),
    message=st.text(max_size=60) | st.floats().map("try again in {}s".format),
)
def test_a_wait_is_none_or_finite_and_not_negative(headers: dict[str, str], message: str) -> None:
    """
    Whatever the headers and words: nothing raises, and what comes out can be slept.
    """
    waits = retry_after(headers, Fault(message=message), NOW), until_reset(headers, Fault(message=message), NOW)

    assert all(wait is None or (math.isfinite(wait) and wait >= 0) for wait in waits)


@pytest.mark.parametrize(
    ("message", "asked", "wait"),
    [
        ("slow down", None, 0.0),
        ("slow down", 2.0, 0.0),
        ("slow down", 0.25, 0.25),
        ("Please try again in 62ms.", 1.0, 0.062),
        ("Please try again in 3s.", 1.5, 1.5),
        ("slow down", 1.625, 0.0),
        ("Please try again in 62ms.", 0.625, 0.062),
    ],
)
def test_a_wait_is_exact_if_neither_it_nor_its_end_is_a_whole_second(
    message: str, asked: float | None, wait: float
) -> None:
    """
    Headers may be rounded up where the text is not; the shorter says more. A date is as exact as the clock's seconds,
    whatever is left until then.
    """
    assert exact_wait(asked, message, 1_700_000_000.375) == pytest.approx(wait)


@pytest.mark.parametrize("skew", [-86_400.0, -3_600.0, -3.5, 3.5, 3_600.0])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retry-after", lambda at: formatdate(at, usegmt=True)),
        ("retry-after", lambda at: f"{at:.0f}"),
        ("x-ratelimit-reset", lambda at: f"{at * 1_000:.0f}"),
        ("anthropic-ratelimit-requests-reset", lambda at: datetime.fromtimestamp(at, UTC).isoformat()),
    ],
)
def test_a_date_is_one_of_the_clock_of_who_wrote_it(name: str, value: Callable[[float], str], skew: float) -> None:
    """
    The wait until a date is reckoned from the answer's own `Date`, in whole seconds, and is never made shorter by it.
    """
    server = NOW + skew + 0.25
    date = formatdate(server, usegmt=True)

    wait = refused({name: value(math.floor(server) + 30), "date": date}).retry_after

    assert wait == 30.0


@pytest.mark.parametrize("date", [formatdate(NOW - 1, usegmt=True), formatdate(NOW + 1, usegmt=True), "soon", ""])
def test_a_clock_that_agrees_is_finer_than_a_date(date: str) -> None:
    """
    `Date` tells no fractions, so where it is ours within a second or two, or says nothing, our own clock counts.
    """
    headers = {"retry-after": formatdate(NOW + 30, usegmt=True), "date": date}

    assert refused(headers, at=NOW + 0.75).retry_after == 29.25
