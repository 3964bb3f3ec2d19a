"""The journal's format: JSON lines, each behind a check sum of its own.

    {"crc32":"5d41402a","line":"header","journal":"brim","version":1,"brim":"0.1.0","input":"reviews.jsonl",...}
    {"crc32":"7b8b965a","line":"result","position":0,"fingerprint":"9e10...","outcome":"reply",...,"result":{...}}
    {"crc32":"5ca1ab1e","line":"sent","position":0,"at":1795315167.464,"amounts":[312.0,56.0,256.0]}
    {"crc32":"deadbea7","line":"closed","lane":"gpt-6-luna","at":1795315168.2,"until":1795401568.2}
    {"crc32":"c0ffee00","line":"bind","position":3,"offset":1234,"row":null,"id":null,"extra":null}
    {"crc32":"0badf00d","line":"end","rows":60}

The check sum covers everything behind it up to the line break.

- **header**, once, first: the format's version, who wrote it, and the settings that shape answers.
- **result**: what became of the row at *position*. *result* is the very output line and comes last, so that export
  copies bytes. *outcome* is "reply" or the kind of the failure, *row* a digest of the row's id and own fields, *at* the
  epoch second when the last attempt was sent. *lane* is the model that the row names, left out where it names none. A
  later line for a position replaces an earlier one.
- **sent**, before each attempt while limits are stated: an attempt for *position* goes *at* that time, with *amounts*
  of tokens, input tokens and output tokens reserved for it, of which the provider *keeps* the output or, if that is
  left out, counts what is generated. One without a later result was in flight when the process
  died. Under a budget every attempt has one, with *worst*, the most it may cost in nano-dollars.
- **charged**, under a budget, when an attempt brought no answer whose cost its result line tells: it counts as so many
  *nanos* in place of what its mark said.
- **closed**, when a lane stops because the server wants nothing sent to the model *lane* before the time *until*.
- **bind**, when a resumed input differs from what was recorded: from here on the row at *position* is answered by the
  line (result or bind) that starts at byte *offset*. With a *row* digest the answer goes to a row with another *id* and
  other own fields (*extra*), which it says. An *offset* of null says that nothing recorded answers this position.
- **end**, when a resumed input turned out shorter: it has *rows* rows, so nothing recorded beyond them belongs to it.

To read the state, go through the lines in order. A position follows the last line that names it; where two positions
share a line, the lower one has it, and the other was about to be told so when its run was killed. A last line without
its line break was torn by a crash and does not count; one with a wrong check sum is left out.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Final, TypeAlias
from zlib import crc32

import msgspec

from brim.errors import JournalError
from brim.storage.results import OutputLine, RowId, output_of, row_digest, to_json, to_millis
from brim.values import FailureKind, FinishReason, Reply, Result, Usage

__all__ = [
    "REPLY",
    "VERSION",
    "Answer",
    "Bind",
    "Body",
    "Charged",
    "Closed",
    "End",
    "Head",
    "Header",
    "Line",
    "Sent",
    "Taken",
    "Told",
    "answer_to",
    "body_of",
    "failure_kind",
    "is_torn_header",
    "read_answer",
    "read_header",
    "read_line",
    "read_output",
    "read_taken",
    "seal",
]

VERSION: Final = 1
"""The format's version. A reader refuses a newer one."""
REPLY: Final = "reply"
"""The outcome of a result that is an answer."""

_MARK: Final = b'{"crc32":"'
_SEAL: Final = _MARK + b'%08x",'
_BODY: Final = len(_SEAL % 0)
_RESULT: Final = b',"result":'
_IS_RESULT: Final = b'"line":"result",'
_IS_REPLY: Final = b'"outcome":"reply"'


class Header(msgspec.Struct, tag="header", tag_field="line", kw_only=True):
    """The first line."""

    journal: str
    version: int
    brim: str
    input: str
    settings: dict[str, Any]


class Head(msgspec.Struct, tag="result", tag_field="line", kw_only=True):
    """A result line without its result: what the index needs of it."""

    position: int
    fingerprint: str
    outcome: str
    at: float = 0.0


class _Entry(Head, tag="result", tag_field="line", kw_only=True, omit_defaults=True):
    lane: str | None = None
    row: str
    throttles: int
    perhaps_paid: int
    request_id: str | None
    model: str | None


class Answer(_Entry, tag="result", tag_field="line", kw_only=True, omit_defaults=True):
    """A result line, as it is read."""

    result: msgspec.Raw


class Told(_Entry, tag="result", tag_field="line", kw_only=True, omit_defaults=True, gc=False):
    """A result line, as it is written."""

    result: OutputLine | msgspec.Raw


class Bind(msgspec.Struct, tag="bind", tag_field="line", kw_only=True):
    """A position is answered by the line at *offset* from now on."""

    position: int
    offset: int | None
    row: str | None = None
    id: RowId = None
    extra: dict[str, Any] | None = None


class Sent(msgspec.Struct, tag="sent", tag_field="line", kw_only=True, omit_defaults=True):
    """An attempt goes. *amounts* are tokens, input and output tokens; *keeps*: the provider keeps all of the output."""

    position: int
    at: float
    amounts: tuple[float, float, float]
    lane: str | None = None
    keeps: bool = False
    worst: int = 0


class Charged(msgspec.Struct, tag="charged", tag_field="line", kw_only=True):
    """The last attempt for a position cost so many nano-dollars, or is taken to have."""

    position: int
    nanos: int


class Closed(msgspec.Struct, tag="closed", tag_field="line", kw_only=True):
    """The server wants nothing more of *lane*, a model, *until* then, as it said *at* that time."""

    lane: str
    at: float
    until: float


class End(msgspec.Struct, tag="end", tag_field="line"):
    """The input has *rows* rows."""

    rows: int


class Body(msgspec.Struct):
    """What the summary of a run needs of an output line."""

    finish_reason: FinishReason | None
    usage: Usage | None
    cost_usd: float | None
    attempts: int


class Took(msgspec.Struct):
    """What the attempts of a result took, as far as its output line says."""

    attempts: int
    usage: Usage | None
    cost_usd: float | None = None


class Taken(msgspec.Struct, tag="result", tag_field="line"):
    """A result line as far as limits and budgets are concerned."""

    position: int
    throttles: int
    result: Took
    perhaps_paid: int = 0
    at: float = 0.0
    lane: str | None = None


Line: TypeAlias = Head | Bind | End | Sent | Charged | Closed
"""A line after the header, as the index reads it."""

_headers: Final = msgspec.json.Decoder(Header)
_heads: Final[msgspec.json.Decoder[Line]] = msgspec.json.Decoder(Line)
_answers: Final[msgspec.json.Decoder[Answer | Bind]] = msgspec.json.Decoder(Answer | Bind)
_taken: Final = msgspec.json.Decoder(Taken)
_bodies: Final = msgspec.json.Decoder(Body)


class _Format(msgspec.Struct):
    journal: str
    version: int


_formats: Final = msgspec.json.Decoder(_Format)


def answer_to(result: Result) -> Told:
    """The line that records *result*."""
    outcome, request = result.outcome, result.request
    kind, model = (REPLY, outcome.model) if isinstance(outcome, Reply) else (outcome.kind, None)
    return Told(
        position=request.position,
        fingerprint=result.fingerprint.hex(),
        outcome=kind,
        lane=request.model,
        row=row_digest(request),
        at=to_millis(result.started_at),
        throttles=result.throttles,
        perhaps_paid=result.perhaps_paid,
        request_id=outcome.request_id,
        model=model,
        result=output_of(result),
    )


def seal(line: Header | Answer | Told | Bind | End | Sent | Charged | Closed) -> bytes:
    """*line* as bytes, check sum in front, line break at the end."""
    body = to_json(line)[1:]
    return b'{"crc32":"%08x",%b\n' % (crc32(body), body)


def read_line(raw: bytes) -> Line | None:
    """A whole line of a journal, its line break included, without the result; None if it is damaged."""
    if not _is_sound(raw):
        return None
    cut = _end_of_head(raw)
    try:
        return _heads.decode(raw if cut < 0 else raw[:cut] + b"}")
    except msgspec.DecodeError:  # a kind of line that a later version of brim wrote
        return None


def read_taken(raw: bytes) -> Taken:
    """What a whole result line, which `read_line` has found sound, says of its attempts."""
    return _taken.decode(raw)


def body_of(answer: Answer) -> Body:
    """What the summary needs of a result line."""
    return _bodies.decode(answer.result)


def read_output(stream: BinaryIO, offset: int) -> tuple[bytes, bool] | None:
    """The output line in the result line at *offset*, as it stands there, and whether it is a reply.

    None for a bind: `read_answer` knows what it stands for.
    """
    stream.seek(offset)
    raw = stream.readline()
    cut = _end_of_head(raw)
    return None if cut < 0 else (raw[cut + len(_RESULT) : -2], raw.find(_IS_REPLY, _BODY, cut) > 0)


def read_answer(stream: BinaryIO, offset: int) -> tuple[Answer, Bind | None]:
    """The result that the line at *offset* of a journal stands for, and that line itself if it is a bind."""
    stream.seek(offset)
    line = _answers.decode(stream.readline())
    bind = line if isinstance(line, Bind) else None
    while isinstance(line, Bind):
        assert line.offset is not None, "nothing is bound to nothing"
        stream.seek(line.offset)
        line = _answers.decode(stream.readline())
    return line, bind


def read_header(raw: bytes, *, name: str) -> Header:
    """The first line of the journal *name*. Raises `JournalError` for a file that is none, or is too new."""
    try:
        found = _formats.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    if found is None or found.journal != "brim":
        raise JournalError(f"{name} is no brim journal, so it stays as it is; move it away, or choose another -o")
    if found.version > VERSION:
        raise JournalError(
            f"{name} has journal format {found.version}, and this brim reads up to {VERSION}; "
            "use the newer brim that wrote it, or choose another -o"
        )
    if not _is_sound(raw):
        raise JournalError(
            f"the first line of {name} is damaged, so its parameters are unknown; move it away, or choose another -o"
        )
    return _headers.decode(raw)


def is_torn_header(raw: bytes) -> bool:
    """Is *raw*, the whole content of a file, a first line that a crash cut short?"""
    return b"\n" not in raw and raw[: len(_MARK)] == _MARK[: len(raw)]


def failure_kind(outcome: str) -> FailureKind | None:
    """The kind of failure that *outcome* names; None for a reply."""
    return None if outcome == REPLY else FailureKind(outcome)


def _end_of_head(raw: bytes) -> int:
    """Where the result of a line begins; -1 in a line that is none."""
    # In JSON text a quote has a backslash before it, and nothing before the result nests: this is no part of a value.
    return raw.find(_RESULT) if raw.startswith(_IS_RESULT, _BODY) else -1


def _is_sound(raw: bytes) -> bool:
    return raw[:_BODY] == _SEAL % crc32(raw[_BODY:-1])
