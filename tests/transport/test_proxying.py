"""Exchanges through proxies: a real one (proxy.py, in a process of its own), and ones that misbehave by script."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from brim.errors import ConfigError
from brim.transport import Phase
from brim.values import Sent
from transport.far_end import (
    Act,
    MakeTransport,
    Recorder,
    Run,
    answer,
    assert_tells_nothing_secret,
    error_of,
    far_end,
    fin,
    request_to,
    rst,
)
from transport.test_tls import server_tls

PASSWORD = "pa:ss@word"
QUOTED = "pa%3Ass%40word"
SERVE_UNTIL_STDIN_ENDS = """
import proxy, sys
with proxy.Proxy(["--hostname", "127.0.0.1", "--port", "0", "--num-workers", "1", "--num-acceptors", "1",
                  "--log-level", "e", "--basic-auth", sys.argv[1]]) as running:
    print(running.flags.port, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def proxy_port() -> Iterator[int]:
    """A proxy that asks for a user and a password."""
    command = [sys.executable, "-c", SERVE_UNTIL_STDIN_ENDS, f"user:{PASSWORD}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_http_through_a_proxy(variable: str, proxy_port: int, make_transport: MakeTransport, run: Run) -> None:
    """A plain request goes through the proxy with its credentials, and arrives without them."""

    async def main() -> None:
        transport = make_transport(environ={variable: f"http://user:{QUOTED}@127.0.0.1:{proxy_port}"})
        async with far_end(answer(b"hello")) as end:
            for _ in range(2):
                response = await transport.exchange(request_to(end.port), end.client)
                assert (response.status, response.body) == (200, b"hello")
            assert b"via: " in end.requests[0].lower()  # the proxy's signature
            assert b"proxy-authorization" not in end.requests[0].lower()
            await transport.aclose()

    run(main())


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_https_through_a_proxy(
    variable: str,
    proxy_port: int,
    authority: trustme.CA,
    ca_file: str,
    make_transport: MakeTransport,
    run: Run,
) -> None:
    """A TLS connection goes through the proxy's tunnel, and is reused; phases are told as without a proxy."""

    async def main() -> None:
        proxy = f"http://user:{QUOTED}@127.0.0.1:{proxy_port}"
        transport = make_transport(ca=ca_file, environ={variable: proxy})
        async with far_end(answer(b"hello"), tls=server_tls(authority)) as end:
            for _ in range(2):
                client = Recorder()
                response = await transport.exchange(request_to(end.port, scheme="https"), client)
                assert (response.status, response.body) == (200, b"hello")
                assert client.order == [Phase.CONNECTED, Phase.SENT, Phase.ANSWERING, Phase.DONE]
            assert end.connections == 1
            await transport.aclose()

    run(main())


def test_proxy_refuses_a_tunnel(proxy_port: int, make_transport: MakeTransport, run: Run) -> None:
    """Wrong credentials end an https exchange before anything is sent to the endpoint, and are not told."""

    async def main() -> None:
        environ = {"HTTPS_PROXY": f"http://user:{QUOTED}-wrong@127.0.0.1:{proxy_port}"}
        client = Recorder()
        error = await error_of(make_transport(environ=environ), request_to(9, scheme="https"), client)
        assert (error.sent, error.is_malformed, client.phases) == (Sent.NO, False, [])
        expected = f"the proxy refused to connect to 127.0.0.1:9 through proxy 127.0.0.1:{proxy_port}: status 407"
        assert str(error) == expected
        assert_tells_nothing_secret(error)

    run(main())


@pytest.mark.parametrize(
    "acts",
    [
        pytest.param((b"HTTP/1.1 503 Unavailable\r\n\r\n", fin), id="refuses"),
        pytest.param((b"SSH-2.0-OpenSSH_9.2\r\n", fin), id="is none"),
        pytest.param((fin,), id="closes"),
        pytest.param((rst,), id="resets"),
        pytest.param((b"HTTP/1.1 200 OK\r\n\r\n", fin), id="closes the tunnel"),
    ],
)
def test_proxy_misbehaves(acts: tuple[Act, ...], make_transport: MakeTransport, run: Run) -> None:
    """Whatever a proxy does instead of a tunnel, nothing was sent, and its password is not told."""

    async def main() -> None:
        async with far_end(*acts) as proxy:
            environ = {"HTTPS_PROXY": f"http://user:{QUOTED}@127.0.0.1:{proxy.port}"}
            error = await error_of(make_transport(environ=environ), request_to(9, scheme="https"), proxy.client)
        assert (error.sent, error.is_malformed, proxy.client.phases) == (Sent.NO, False, [])
        assert proxy.requests[0].startswith(b"CONNECT 127.0.0.1:9 HTTP/1.1\r\n")
        assert f"127.0.0.1:{proxy.port}" in str(error)
        assert "ss%40" not in repr(error)
        assert "ss@word" not in repr(error)
        assert_tells_nothing_secret(error)

    run(main())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_is_down(scheme: str, make_transport: MakeTransport, run: Run) -> None:
    """A proxy that can't be reached is said to be the proxy, without its password."""

    async def main() -> None:
        environ = {"ALL_PROXY": f"http://user:{QUOTED}@127.0.0.1:1"}
        client = Recorder()
        error = await error_of(make_transport(environ=environ), request_to(9, scheme=scheme), client)
        assert (error.sent, client.phases) == (Sent.NO, [])
        expected = "no connection to the proxy of 127.0.0.1:9 through proxy 127.0.0.1:1: Connection refused"
        assert str(error) == expected

    run(main())


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "127.0.0.0/8", "*", "example.com, 127.0.0.1:{port}"])
def test_no_proxy(no_proxy: str, make_transport: MakeTransport, run: Run) -> None:
    """An exempt host is reached directly."""

    async def main() -> None:
        async with far_end(answer()) as end:
            environ = {"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": no_proxy.format(port=end.port)}
            transport = make_transport(environ=environ)
            response = await transport.exchange(request_to(end.port), end.client)
            assert response.status == 200
            await transport.aclose()

    run(main())


def test_unusable_proxy(make_transport: MakeTransport, run: Run) -> None:
    """A proxy of a kind we don't speak is a setting to mend, not a failure to retry."""

    async def main() -> None:
        transport = make_transport(environ={"ALL_PROXY": f"socks5://user:{QUOTED}@127.0.0.1:1080"})
        with pytest.raises(ConfigError, match="ALL_PROXY names a proxy that can't be used") as caught:
            await transport.exchange(request_to(9), Recorder())
        assert "word" not in str(caught.value)

    run(main())
