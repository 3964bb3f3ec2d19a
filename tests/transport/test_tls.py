"""Whom we trust: which certificates are read, and what is said where the far end's does not verify."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from brim.errors import ConfigError
from brim.transport import Phase
from brim.transport.tls import tls_context
from brim.values import Sent
from transport.far_end import (
    MakeTransport,
    Run,
    answer,
    assert_tells_nothing_secret,
    error_of,
    far_end,
    fin,
    hang,
    request_to,
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="module")
def other_ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


def server_tls(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_trusted_authority(authority: trustme.CA, ca_file: Path, make_transport: MakeTransport, run: Run) -> None:
    """An https server whose authority is named answers, and its connection is reused."""

    async def main() -> None:
        transport = make_transport(ca=str(ca_file))
        async with far_end(answer(b"hello"), tls=server_tls(authority)) as end:
            for _ in range(2):
                response = await transport.exchange(request_to(end.port, scheme="https"), end.client)
                assert response.body == b"hello"
            assert end.connections == 1
            await transport.aclose()

    run(main())


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_authority_named_by_a_variable(
    variable: str, authority: trustme.CA, ca_file: Path, make_transport: MakeTransport, run: Run
) -> None:
    """The variables that other clients read name the authority too."""

    async def main() -> None:
        transport = make_transport(environ={variable: str(ca_file)})
        async with far_end(answer(), tls=server_tls(authority)) as end:
            response = await transport.exchange(request_to(end.port, scheme="https"), end.client)
            assert response.status == 200
            await transport.aclose()

    run(main())


@pytest.mark.parametrize("use_system", [True, False], ids=["system's authorities", "another authority"])
def test_unknown_authority(
    use_system: bool,  # noqa: FBT001 - a column of the table
    authority: trustme.CA,
    other_ca_file: Path,
    make_transport: MakeTransport,
    run: Run,
) -> None:
    """An authority we do not trust ends the exchange before anything is sent, and the message says the remedy."""

    async def main() -> None:
        transport = make_transport(ca=None if use_system else str(other_ca_file))
        async with far_end(answer(), tls=server_tls(authority)) as end:
            error = await error_of(transport, request_to(end.port, scheme="https"), end.client)
        assert (error.sent, error.is_malformed, end.client.phases, end.requests) == (Sent.NO, False, [], [])
        assert f"the certificate of 127.0.0.1:{end.port} is not trusted" in str(error)
        assert "--ca" in str(error)
        assert "SSL_CERT_FILE" in str(error)
        assert_tells_nothing_secret(error)

    run(main())


def test_wrong_host_name(authority: trustme.CA, ca_file: Path, make_transport: MakeTransport, run: Run) -> None:
    """A certificate for another host is refused before anything is sent, and the message says so."""

    async def main() -> None:
        async with far_end(answer(), tls=server_tls(authority, "elsewhere.example")) as end:
            request = request_to(end.port, scheme="https")
            error = await error_of(make_transport(ca=str(ca_file)), request, end.client)
        assert (error.sent, end.client.phases, end.requests) == (Sent.NO, [], [])
        assert "certificate is not valid for '127.0.0.1'" in str(error)

    run(main())


@pytest.mark.parametrize("greeting", [(b"HTTP/1.1 400 Bad Request\r\n\r\n", fin), (fin,)], ids=["http", "closes"])
def test_no_tls_there(greeting: tuple[bytes, ...], make_transport: MakeTransport, run: Run) -> None:
    """TLS with a server that speaks none fails before anything was sent."""

    async def main() -> None:
        async with far_end(greeting=greeting) as end:
            error = await error_of(make_transport(), request_to(end.port, scheme="https"), end.client)
        assert (error.sent, error.is_malformed, end.client.phases) == (Sent.NO, False, [])
        assert f"127.0.0.1:{end.port}" in str(error)
        assert_tells_nothing_secret(error)

    run(main())


def test_cut_under_tls(authority: trustme.CA, ca_file: Path, make_transport: MakeTransport, run: Run) -> None:
    """A body that is cut is an error under TLS too, and phases are told as on a plain connection."""

    async def main() -> None:
        part = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"
        async with far_end(part, fin, tls=server_tls(authority)) as end:
            request = request_to(end.port, scheme="https")
            error = await error_of(make_transport(ca=str(ca_file)), request, end.client)
        assert error.sent is Sent.YES
        assert end.client.order == [Phase.CONNECTED, Phase.SENT, Phase.ANSWERING]

    run(main())


def test_cancel_under_tls(authority: trustme.CA, ca_file: Path, make_transport: MakeTransport, run: Run) -> None:
    """A cancelled exchange ends its TLS connection at once, whether or not the server takes leave."""

    async def main() -> None:
        transport = make_transport(ca=str(ca_file))
        async with far_end(hang, tls=server_tls(authority)) as end:
            task = asyncio.create_task(transport.exchange(request_to(end.port, scheme="https"), end.client))
            await end.until(asked=1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await end.until(ended=1)
            await transport.aclose()

    run(main())


def test_aclose_with_idle_tls(authority: trustme.CA, ca_file: Path, make_transport: MakeTransport, run: Run) -> None:
    """Closing ends idle TLS connections at once: no server's silence can hold it up."""

    async def main() -> None:
        transport = make_transport(ca=str(ca_file))
        async with far_end(answer(), hang, tls=server_tls(authority)) as end:
            await transport.exchange(request_to(end.port, scheme="https"), end.client)
            await transport.aclose()
            await end.until(ended=1)

    run(main())


def count(context: ssl.SSLContext | None) -> int:
    assert context is not None
    return context.cert_store_stats()["x509_ca"]


def test_named_authorities_replace_the_systems(ca_file: Path, other_ca_file: Path) -> None:
    """What is named is all that is trusted; `--ca` wins over SSL_CERT_FILE, and that over REQUESTS_CA_BUNDLE."""
    both = ca_file.with_name("both.pem")
    both.write_bytes(ca_file.read_bytes() + other_ca_file.read_bytes())
    one, two = str(ca_file), str(both)
    assert count(tls_context(ca=one, environ={"SSL_CERT_FILE": two, "REQUESTS_CA_BUNDLE": two})) == 1
    assert count(tls_context(ca=None, environ={"SSL_CERT_FILE": two, "REQUESTS_CA_BUNDLE": one})) == 2
    assert count(tls_context(ca=None, environ={"SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": one})) == 1


def test_nothing_named() -> None:
    """Where nothing is named, the choice is left to the system."""
    assert tls_context(ca=None, environ={}) is None


@pytest.fixture
def bad_paths(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "empty.pem").touch()
    (tmp_path / "text.pem").write_text("no certificate\n")
    return {
        "missing": str(tmp_path / "none.pem"),
        "empty": str(tmp_path / "empty.pem"),
        "text": str(tmp_path / "text.pem"),
    }


@pytest.mark.parametrize("problem", ["missing", "empty", "text"])
@pytest.mark.parametrize("setting", ["--ca", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
def test_unusable_certificates(setting: str, problem: str, bad_paths: dict[str, str]) -> None:
    """A file that can't be used is said at once, with the setting that names it."""
    path = bad_paths[problem]
    with pytest.raises(ConfigError) as caught:
        tls_context(ca=path if setting == "--ca" else None, environ={setting: path})
    assert setting in str(caught.value)
    assert path in str(caught.value)


def test_folder_of_certificates(ca_file: Path) -> None:
    """A folder is searched as connections need it, so it counts as readable whatever it holds."""
    assert tls_context(ca=str(ca_file.parent), environ={}) is not None
    assert (
        count(tls_context(ca=None, environ={"SSL_CERT_DIR": str(ca_file.parent), "SSL_CERT_FILE": str(ca_file)})) == 1
    )
