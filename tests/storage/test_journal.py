"""The journal: what was recorded stays recorded, and nothing else is."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path
from zlib import crc32

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.errors import JournalError
from brim.storage import Journal
from brim.storage.disk import GROUP, Syncer
from brim.storage.index import Index, key_of
from brim.storage.lines import Answer, Header, read_header, read_line, seal
from brim.values import FailureKind, Usage
from storage.samples import SETTINGS, exported, failure, fingerprint, open_journal, request, result


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl.journal"


def test_a_recorded_result_is_claimed_once_with_what_the_summary_counts(path: Path) -> None:
    """
    The next run learns how the row ended and what it cost, and a second row that asks the same is another row.
    """
    with open_journal(path) as journal:
        journal.record(result(0, "a"))
    with open_journal(path) as journal:
        claimed = journal.claim(request(0), fingerprint("a"))

        assert claimed is not None
        assert (claimed.kind, claimed.finish_reason, claimed.cost_usd) == (None, "stop", 0.001)
        assert (claimed.attempts, claimed.throttles, claimed.perhaps_paid) == (1, 0, 0)
        assert claimed.usage == Usage(input_tokens=7, output_tokens=2)
        assert journal.claim(request(1), fingerprint("a")) is None
        assert journal.claim(request(2), fingerprint("b")) is None


def test_a_line_is_in_the_file_when_record_returns(path: Path) -> None:
    """
    One whole line, with nothing left in a buffer of ours.
    """
    with open_journal(path) as journal:
        journal.record(result(request(0, row_id="a", label="x"), "q"))

        header, line = path.read_bytes().splitlines(keepends=True)
        fields = json.loads(line)

    assert json.loads(header)["settings"] == SETTINGS
    assert list(fields) == [
        "crc32",
        "line",
        "position",
        "fingerprint",
        "outcome",
        "at",
        "row",
        "throttles",
        "perhaps_paid",
        "request_id",
        "model",
        "result",
    ]
    assert (fields["fingerprint"], fields["outcome"]) == (fingerprint("q").hex(), "reply")
    assert (fields["at"], fields["request_id"], fields["model"]) == (1_000.0, "req-1", "m-1")
    assert fields["result"]["label"] == "x"


def test_results_of_a_run_answer_no_other_row_of_that_run(path: Path) -> None:
    """
    Rows that ask the same are asked each, as long as no earlier run left an answer.
    """
    with open_journal(path) as journal:
        journal.record(result(0, "a"))

        assert journal.claim(request(1), fingerprint("a")) is None
        assert journal.claim(request(0), fingerprint("a")) is None
        assert len(exported(journal, path.parent)) == 1, "and stay where they are"


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if kind.parks_lane])
def test_an_untouched_row_is_not_recorded(path: Path, kind: FailureKind) -> None:
    """
    A row that a parked lane left is asked by the next run.
    """
    with open_journal(path) as journal:
        before = path.read_bytes()
        journal.record(result(0, "a", failure(kind)))

        assert path.read_bytes() == before
        assert len(journal) == 0


def test_only_its_owner_may_read_a_journal(path: Path) -> None:
    """
    Prompts' answers are private: mode 0600.
    """
    open_journal(path).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_run_at_a_time_writes(path: Path) -> None:
    """
    A second writer is refused until the first has closed.
    """
    with open_journal(path), pytest.raises(JournalError, match="another brim run is writing"):
        open_journal(path)

    open_journal(path).close()


def test_other_settings_are_refused_with_each_difference(path: Path) -> None:
    """
    The message names what changed, from what to what, and what to do; the journal stays as it is.
    """
    with open_journal(path) as journal:
        journal.record(result(0, "a"))
    before = path.read_bytes()

    with pytest.raises(JournalError) as caught:
        open_journal(path, model="n", params={"temperature": 0.7, "seed": 1})

    assert 'model was "m", now "n"' in str(caught.value)
    assert "params.temperature was 0.2, now 0.7" in str(caught.value)
    assert "params.seed was not set, now 1" in str(caught.value)
    assert "choose another -o" in str(caught.value)
    assert path.read_bytes() == before


def test_settings_may_be_mended_as_long_as_nothing_was_answered(path: Path) -> None:
    """
    A first try that brought only failures gives way to other settings: nothing is lost.
    """
    with open_journal(path) as journal:
        journal.record(result(0, "a", failure()))

    with open_journal(path, model="n") as journal:
        assert len(journal) == 0
        journal.record(result(0, "a"))
    with open_journal(path, model="n") as journal:
        assert len(journal) == 1


def test_parameters_that_were_none_are_not_named(path: Path) -> None:
    """
    An empty set of parameters is no parameter.
    """
    with open_journal(path, params={}) as journal:
        journal.record(result(0, "a"))

    with pytest.raises(JournalError) as caught:
        open_journal(path, params={"temperature": 0.7})

    assert "parameters: params.temperature was not set, now 0.7. " in str(caught.value)


def test_settings_are_compared_as_json(path: Path) -> None:
    """
    A tuple and a list are the same parameter.
    """
    open_journal(path, stop=("a", "b")).close()
    open_journal(path, stop=["a", "b"]).close()


NEWER = seal(Header(journal="brim", version=99, brim="9", input="x", settings={}))
DAMAGED = seal(Header(journal="brim", version=1, brim="9", input="x", settings={})).replace(b'"x"', b'"y"')


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"my notes\n", "is no brim journal"),
        (b"my notes", "is no brim journal"),
        (b'{"id":1}\n{"id":2}\n', "is no brim journal"),
        (b'{"journal":"theirs","version":1}\n', "is no brim journal"),
        (b"\xff\xfe\n", "is no brim journal"),
        (NEWER, "has journal format 99"),
        (DAMAGED, "first line .* is damaged"),
    ],
    ids=["text", "text without line break", "JSON Lines", "another journal", "bytes", "newer", "damaged"],
)
def test_a_file_that_is_no_journal_stays_as_it_is(path: Path, content: bytes, message: str) -> None:
    """
    It is neither overwritten nor cut, and the message says why it is refused.
    """
    path.write_bytes(content)

    with pytest.raises(JournalError, match=message):
        open_journal(path)

    assert path.read_bytes() == content


def test_a_journal_that_can_not_be_made_says_why(tmp_path: Path) -> None:
    """
    A missing directory is the disk's error in our words.
    """
    with pytest.raises(JournalError, match=r"can't use the journal .*No such file or directory"):
        open_journal(tmp_path / "missing" / "journal")


def test_a_closed_journal_takes_nothing_more(path: Path) -> None:
    """
    Closing twice is nothing; recording afterwards is an error.
    """
    journal = open_journal(path)
    journal.close()
    journal.close()

    with pytest.raises(JournalError, match="is closed"):
        journal.record(result(0, "a"))


def journal_bytes(path: Path) -> bytes:
    """A journal with all kinds of lines: results, a bind, a bind to another row, a drop and an end."""
    with open_journal(path) as journal:
        for position, question in enumerate("abcd"):
            journal.record(result(position, question))
    with open_journal(path) as journal:
        assert journal.claim(request(0), fingerprint("b"))
        assert journal.claim(request(1, row_id="x"), fingerprint("a"))
        assert journal.claim(request(2), fingerprint("z")) is None
        journal.finish_input(3)
        journal.record(result(2, "z"))
    return path.read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return journal_bytes(tmp_path_factory.mktemp("whole") / "journal")


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_journal_cut_at_any_byte_keeps_every_whole_line_and_goes_on(
    data: st.DataObject, whole: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """
    No result is invented, no whole line lost, and what is recorded afterwards is there too.
    """
    cut = data.draw(st.integers(0, len(whole)))
    kept = whole[: whole.rfind(b"\n", 0, cut) + 1]
    path = tmp_path_factory.mktemp("cut") / "journal"
    path.write_bytes(whole[:cut])

    with open_journal(path) as journal:
        assert path.read_bytes().startswith(kept)
        assert journal.torn_bytes == cut - len(kept)
        assert journal.bad_lines == 0
        journal.record(result(9, "new"))

    answers = [line for line in kept.splitlines() if b'"line":"result"' in line]
    after = [line for line in path.read_bytes().splitlines() if b'"line":"result"' in line]
    assert after[:-1] == answers
    with open_journal(path) as journal:
        assert journal.torn_bytes == journal.bad_lines == 0
        assert journal.claim(request(9), fingerprint("new"))


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_changed_byte_costs_its_line_at_most(
    data: st.DataObject, whole: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """
    A line damaged in the middle is counted; it records nothing, and its neighbours stay.
    """
    start = whole.index(b"\n") + 1
    at = data.draw(st.integers(start, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    path = tmp_path_factory.mktemp("damaged") / "journal"
    path.write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])
    sound = set(io.BytesIO(whole))

    with open_journal(path) as journal:
        damaged = [line for line in io.BytesIO(path.read_bytes()) if line not in sound]

        assert journal.bad_lines == len(damaged)
        assert journal.bad_lines or journal.torn_bytes
        assert all(line["text"] in {*"ABCD", "Z"} for line in exported(journal, path.parent))


def test_a_line_of_a_kind_to_come_is_counted_not_trusted(path: Path) -> None:
    """
    A sound line that this version does not know is left out, and said.
    """
    open_journal(path).close()
    body = b'"line":"marvel","x":1}'
    with path.open("ab") as file:
        file.write(b'{"crc32":"%08x",%b\n' % (crc32(body), body))

    with open_journal(path) as journal:
        assert journal.bad_lines == 1


def test_a_failure_stands_until_it_is_asked_to_run_again(path: Path) -> None:
    """
    A recorded failure answers its row; with `retry_failed` it answers none, and the later line wins.
    """
    with open_journal(path) as journal:
        journal.record(result(0, "a", failure()))
    with open_journal(path) as journal:
        claimed = journal.claim(request(0), fingerprint("a"))
        assert claimed is not None
        assert claimed.kind is FailureKind.SERVER
    with open_journal(path, retry_failed=True) as journal:
        assert journal.claim(request(0), fingerprint("a")) is None
        assert [line["text"] for line in exported(journal, path.parent)] == [None], "it stands while the row runs"
        journal.record(result(0, "a"))
    with open_journal(path, retry_failed=True) as journal:
        claimed = journal.claim(request(0), fingerprint("a"))
        assert claimed is not None
        assert claimed.kind is None
        assert journal.claim(request(1), fingerprint("a")) is None, "the old failure is gone for good"
    with open_journal(path) as journal:
        assert journal.claim(request(0), fingerprint("a"))
        assert journal.claim(request(1), fingerprint("a")) is None


def test_a_failed_row_that_now_asks_something_else_leaves_nothing_behind(path: Path) -> None:
    """
    With `retry_failed` too, the old failure is no answer to a new question.
    """
    with open_journal(path) as journal:
        journal.record(result(0, "a", failure()))
    with open_journal(path, retry_failed=True) as journal:
        assert journal.claim(request(0), fingerprint("b")) is None
        assert exported(journal, path.parent) == []


def test_the_same_key_is_not_the_same_question(path: Path) -> None:
    """
    The index keeps 32 bits; the line decides.
    """
    asked, other = bytes(4) + b"a" * 12, bytes(4) + b"b" * 12
    with open_journal(path) as journal:
        journal.record(msgspec.structs.replace(result(0, "a"), fingerprint=asked))
    with open_journal(path) as journal:
        assert journal.claim(request(0), other) is None
        assert journal.claim(request(1), asked)


CHILD = """
    import sys
    from pathlib import Path
    from storage.samples import open_journal, result

    with open_journal(Path(sys.argv[1])) as journal:
        position = 0
        while True:
            journal.record(result(position, f"question {position}"))
            print(position, flush=True)
            position += 1
"""


def child(code: str, path: Path) -> subprocess.Popen[str]:
    places = [str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("after", [1, 200])
def test_a_killed_process_loses_nothing_it_had_recorded(path: Path, after: int) -> None:
    """
    SIGKILL at whatever it was doing: every line that `record` returned for is there.
    """
    with child(CHILD, path) as process:
        assert process.stdout is not None
        for _ in range(after):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        acknowledged = after + len(process.stdout.read().splitlines())

    with open_journal(path) as journal:
        assert len(journal) >= acknowledged
        assert all(
            journal.claim(request(position), fingerprint(f"question {position}")) for position in range(acknowledged)
        )


FULL = """
    import resource, sys
    from pathlib import Path
    from brim.errors import JournalError
    from storage.samples import open_journal, result

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = Path(sys.argv[1])
    journal = open_journal(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
    position = 0
    try:
        while True:
            journal.record(result(position, f"question {position}"))
            position += 1
    except JournalError as error:
        print(error)
    print(path.read_bytes().endswith(b"}\\n"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.record(result(position, f"question {position}"))
    journal.close()
    print(position)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit there")
def test_a_disk_that_takes_half_a_line_has_no_line(path: Path) -> None:
    """
    The half line is gone, the message says what to do, and the same result can be recorded once there is room.
    """
    with child(FULL, path) as process:
        output, _ = process.communicate()
    message, is_whole, last = output.splitlines()

    assert "can't write to the journal" in message
    assert "size limit" in message
    assert is_whole == "True"
    with open_journal(path) as journal:
        assert journal.bad_lines == journal.torn_bytes == 0
        assert len(journal) == int(last) + 1


FULL_OF_MANY = """
    import resource, sys
    from pathlib import Path
    from brim.errors import JournalError
    from storage.samples import open_journal, result

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    journal = open_journal(Path(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
    try:
        journal.record_all([result(position, f"question {position}") for position in range(100)])
    except JournalError as error:
        print(error)
    print(len(journal))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit there")
def test_a_disk_that_takes_some_of_many_lines_has_those(path: Path) -> None:
    """
    What was written whole stays and is known; the half line behind it is gone.
    """
    with child(FULL_OF_MANY, path) as process:
        output, _ = process.communicate()
    message, kept = output.splitlines()

    assert "size limit" in message
    assert 5 < int(kept) < 100
    with open_journal(path) as journal:
        assert journal.bad_lines == journal.torn_bytes == 0
        assert len(journal) == int(kept)


@pytest.mark.parametrize("goes_on", [True, False])
def test_half_a_line_that_an_interrupt_left_is_cut(path: Path, *, goes_on: bool) -> None:
    """
    Before the next line, or on closing.
    """
    with open_journal(path) as journal:
        journal.record(result(0, "a"))
        journal._is_torn = True
        os.write(journal._fd, b'{"crc32":"half a')
        if goes_on:
            journal.record(result(1, "b"))

    with open_journal(path) as journal:
        assert journal.torn_bytes == journal.bad_lines == 0
        assert len(exported(journal, path.parent)) == 1 + goes_on


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes as files there")
def test_a_failed_sync_is_told_at_the_next_line_and_at_the_end() -> None:
    """
    What the disk refused (here: a pipe, which can't be synced) is not passed over in silence.
    """
    reader, writer = os.pipe()
    syncer = Syncer(writer, every_s=None)
    syncer.note()

    with pytest.raises(JournalError, match="may not last on disk"):
        syncer.close()
    with pytest.raises(JournalError, match="may not last on disk"):
        syncer.check()

    os.close(reader)
    os.close(writer)


def test_a_full_group_is_synced_at_once(path: Path) -> None:
    """
    The thread does not wait for its time to be up when `GROUP` lines are there, nor does closing.
    """
    with path.open("wb") as file:
        syncer = Syncer(file.fileno(), every_s=3_600)
        for _ in range(GROUP):
            syncer.note()
        while syncer._synced < GROUP:
            os.sched_yield()
        syncer.note()
        syncer.close()

    assert syncer._synced == GROUP + 1


def test_a_journal_syncs_in_a_thread_that_ends_with_it(path: Path) -> None:
    """
    As `Journal.open` makes it: lines and close go well beside the thread.
    """
    with Journal.open(path, settings=SETTINGS, input_name="in", sync_every_s=0.0) as journal:
        for position in range(3 * GROUP):
            journal.record(result(position, "a"))
        thread = journal._syncer._thread

    assert thread is not None
    assert not thread.is_alive()
    assert journal._syncer._synced == 3 * GROUP


ROWS = 50_000


def traced() -> int:
    return tracemalloc.get_traced_memory()[0]


def test_a_new_row_costs_the_index_12_bytes() -> None:
    """
    Its offset and its place by position, and the slack of growing arrays.
    """
    index = Index()
    tracemalloc.start()
    try:
        for position in range(ROWS):
            index.add(position, position * 1_000)
        used = traced()
    finally:
        tracemalloc.stop()

    assert 12 * ROWS <= used <= 13 * ROWS


def test_a_row_read_back_costs_the_index_at_most_24_bytes(path: Path) -> None:
    """
    Its order by fingerprint and all transient memory of sorting included.
    """
    with path.open("wb") as file:
        file.writelines(
            seal(
                Answer(
                    position=position,
                    fingerprint=fingerprint(str(position)).hex(),
                    outcome="reply",
                    row="",
                    at=0,
                    throttles=0,
                    perhaps_paid=0,
                    request_id=None,
                    model=None,
                    result=msgspec.Raw(b"{}"),
                )
            )
            for position in range(ROWS)
        )
    index = Index()
    wanted = key_of(fingerprint("17").hex())
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            index.load(file, start=0)
        assert 17 in index.candidates(wanted, position=ROWS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak <= 24 * ROWS


def test_headers_and_lines_read_back_as_they_were_written() -> None:
    """
    What `seal` wrote, `read_header` and `read_line` read.
    """
    header = Header(journal="brim", version=1, brim="0.1", input="in", settings={"a": [1]})
    raw = seal(header)

    assert read_header(raw, name="j") == header
    assert read_line(raw) is None, "a header is only ever the first line"
