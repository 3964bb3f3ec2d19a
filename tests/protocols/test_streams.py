"""Readers of streams: every sequence of every provider, cut at every byte and in any other way."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.protocols import Piece, fingerprint
from brim.protocols.sse import LONGEST_EVENT, EventParser, ServerEvent
from brim.values import Request
from protocols.cases import DIALECTS, FIXED, RECEIVED_AT
from protocols.chat_streams import END, ROLE
from protocols.sequences import STREAMS
from protocols.stream_cases import DONE, Stream, chunk, data, reader, streaming

ANSWERS = [stream for stream in STREAMS if "text" in stream.expect]
MARKS = {"openai": b"[DONE]", "anthropic": b"message_stop", "responses": b"response."}

named = pytest.mark.parametrize("stream", STREAMS, ids=[stream.name for stream in STREAMS])


def joined(pieces: list[Piece]) -> tuple[str, str]:
    return "".join(piece.text for piece in pieces), "".join(piece.reasoning for piece in pieces)


@named
def test_a_stream_means_what_its_events_say(stream: Stream) -> None:
    """
    The outcome and the pieces of every provider's sequence.
    """
    pieces, outcome = stream.read(stream.body)

    assert joined(pieces) == (stream.text, stream.reasoning)
    found = {name: getattr(outcome, name, "not there") for name in stream.expect}
    assert msgspec.json.encode(found) == msgspec.json.encode(stream.expect)


@named
def test_cut_at_every_byte(stream: Stream) -> None:
    """
    Two halves, wherever they meet, and single bytes, are read as the whole.
    """
    whole = stream.read(stream.body)

    for at in range(len(stream.body) + 1):
        assert stream.read(stream.body[:at], stream.body[at:]) == whole
    assert stream.read(*(bytes([byte]) for byte in stream.body)) == whole


@FIXED
@given(stream=st.sampled_from(STREAMS), cuts=st.lists(st.integers(0, 3_000), max_size=30))
def test_cut_in_any_way(stream: Stream, cuts: list[int]) -> None:
    """
    However the bytes come, empty ones included, outcome and pieces are the same.
    """
    places = [0, *sorted(min(cut, len(stream.body)) for cut in cuts), len(stream.body)]
    parts = [stream.body[start:end] for start, end in pairwise(places)]

    assert stream.read(*parts) == stream.read(stream.body)


@pytest.mark.parametrize("stream", ANSWERS, ids=lambda stream: stream.name)
def test_nothing_less_than_the_whole_is_an_answer(stream: Stream) -> None:
    """
    A stream that stops anywhere before its last event is a failure, however much of the text is there.
    """
    for at in range(0, len(stream.body[: stream.body.rfind(MARKS[stream.dialect])]), 7):
        _, outcome = stream.read(stream.body[:at])

        assert getattr(outcome, "kind", None) == "malformed", f"cut at byte {at}"


def test_pieces_come_with_the_last_byte_of_their_event() -> None:
    """
    Nothing is held back: the blank line is enough.
    """
    reading = reader("openai")
    first = ROLE + chunk({"content": "x"})

    assert reading.feed(first[:-1]) == []
    assert reading.feed(first[-1:]) == [Piece("x")]
    assert not reading.is_complete


@pytest.mark.parametrize(
    "stream", [stream for stream in ANSWERS if stream.body.endswith(b"\n\n")], ids=lambda stream: stream.name
)
def test_what_follows_the_last_event_is_not_read(stream: Stream) -> None:
    """
    After the last event the reader is complete, and trailing bytes change nothing.
    """
    reading = reader(stream.dialect)
    reading.feed(stream.body)

    assert reading.is_complete
    assert not reading.feed(data({"error": {"message": "too late"}}) + chunk({"content": "more"}))
    assert reading.close(RECEIVED_AT) == stream.read(stream.body)[1]


@pytest.mark.parametrize("name", list(DIALECTS))
def test_a_streamed_body_asks_the_same(name: str) -> None:
    """
    Only how the answer travels is added, and the fingerprint stays that of the plain body.
    """
    dialect = streaming(name)
    asked = Request(messages=[{"role": "user", "content": "a"}], params={"stream": False, "stream_options": {}})
    plain = dialect.encode(asked, model="m")
    body = msgspec.json.decode(dialect.streamed(plain))

    assert body.pop("stream") is True
    assert body.pop("stream_options", None) == ({"include_usage": True} if name == "openai" else None)
    assert body == msgspec.json.decode(plain)
    assert fingerprint(name, plain) == fingerprint(name, dialect.encode(asked, model="m"))


def test_what_no_provider_sends_is_not_kept() -> None:
    """
    A line without end, or an event of endless lines, is a defect and not a full memory.
    """
    mebibyte = b"x" * 2**20
    for line in (mebibyte, b"data: " + mebibyte + b"\n"):
        reading = reader("openai")
        reading.feed(b"data: ")
        fed = 0
        while not reading.is_complete:
            reading.feed(line)
            fed += len(mebibyte)
        outcome = reading.close(RECEIVED_AT)

        assert fed <= LONGEST_EVENT + 2 * len(mebibyte)
        assert getattr(outcome, "message", "") == "the stream holds an event of more than 16 MiB"


def test_a_long_event_is_read() -> None:
    """
    A line of a few megabytes is an event like any other.
    """
    text = "long " * 500_000
    body = chunk({"content": text}) + END + DONE
    reading = reader("openai")
    pieces = [piece for at in range(0, len(body), 65_536) for piece in reading.feed(body[at : at + 65_536])]

    assert joined(pieces)[0] == text


LINES = st.lists(
    st.sampled_from([b"data: a", b"data:b", b"data", b": c", b"event: e", b"event:", b"id: 1", b"", b"data:  d"]),
    max_size=12,
)


@FIXED
@given(lines=LINES, ending=st.sampled_from([b"\n", b"\r", b"\r\n"]), cuts=st.sets(st.integers(0, 100), max_size=8))
def test_the_parser_reads_lines_as_the_standard_says(lines: list[bytes], ending: bytes, cuts: set[int]) -> None:
    """
    A plain line-by-line reading, with any line ending and any cutting, finds the same events.
    """
    expected: list[ServerEvent] = []
    name, values = b"", []
    for line in [*lines, b""]:
        field, _, value = line.partition(b":")
        if field == b"data":
            values.append(value[1:] if value[:1] == b" " else value)
        if field == b"event":
            name = value[1:] if value[:1] == b" " else value
        if not line:
            expected += [ServerEvent(name, b"\n".join(values))] if values else []
            name, values = b"", []
    body = b"".join(line + ending for line in [*lines, b""])
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]

    parser = EventParser()
    found = [found for a, b in pairwise(places) for found in parser.feed(body[a:b])]

    assert found == expected
