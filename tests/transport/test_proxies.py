"""Which proxy stands before a URL, as a table and as invariants."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brim.errors import ConfigError
from brim.transport.proxies import is_exempt, proxy_for

HTTP = "http://api.example.com/v1"
HTTPS = "https://api.example.com/v1"
P, Q, R = "http://p:1", "http://q:2", "http://r:3"


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        pytest.param(HTTPS, {}, None, id="none named"),
        pytest.param(HTTPS, {"HTTPS_PROXY": P}, P, id="upper case"),
        pytest.param(HTTPS, {"https_proxy": P}, P, id="lower case"),
        pytest.param(HTTPS, {"https_proxy": P, "HTTPS_PROXY": Q}, P, id="lower case wins"),
        pytest.param(HTTPS, {"https_proxy": "", "HTTPS_PROXY": Q}, Q, id="empty is unset"),
        pytest.param(HTTPS, {"HTTP_PROXY": P}, None, id="other scheme"),
        pytest.param(HTTP, {"HTTP_PROXY": P, "HTTPS_PROXY": Q}, P, id="each scheme its own"),
        pytest.param(HTTPS, {"ALL_PROXY": P}, P, id="all, https"),
        pytest.param(HTTP, {"all_proxy": P}, P, id="all, http"),
        pytest.param(HTTPS, {"ALL_PROXY": P, "HTTPS_PROXY": Q}, Q, id="the scheme's own wins"),
        pytest.param(HTTPS, {"HTTPS_PROXY": "p:1"}, P, id="without a scheme"),
        pytest.param(HTTPS, {"HTTPS_PROXY": " http://p:1 "}, P, id="blanks round it"),
        pytest.param(HTTPS, {"HTTPS_PROXY": "https://u:s@p:1"}, "https://u:s@p:1", id="https, credentials"),
        pytest.param(HTTPS, {"HTTPS_PROXY": P, "NO_PROXY": "api.example.com"}, None, id="exempt"),
        pytest.param(HTTPS, {"HTTPS_PROXY": P, "no_proxy": "example.com"}, None, id="exempt, lower case"),
        pytest.param(HTTPS, {"HTTPS_PROXY": "socks5://p:1", "NO_PROXY": "*"}, None, id="exempt from a bad one"),
        pytest.param(HTTPS, {"HTTPS_PROXY": P, "ALL_PROXY": "socks5://p:1"}, P, id="a bad one not used"),
    ],
)
def test_proxy_for(url: str, environ: dict[str, str], expected: str | None) -> None:
    """The variable of the URL's scheme comes first, then ALL_PROXY; lower case wins; NO_PROXY beats both."""
    assert proxy_for(url, environ) == expected


@pytest.mark.parametrize(
    "proxy", ["socks5://user:secret@p:1", "http://", "http://user:secret@p:x", "//", "http://[::1"]
)
def test_unusable_proxy(proxy: str) -> None:
    """A proxy we can't use is an error that names the variable and no credentials."""
    with pytest.raises(ConfigError, match="HTTPS_PROXY names a proxy that can't be used") as caught:
        proxy_for(HTTPS, {"HTTPS_PROXY": proxy})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("no_proxy", "url", "expected"),
    [
        ("", HTTPS, False),
        (" , ,", HTTPS, False),
        ("*", HTTPS, True),
        ("other.com,*", HTTPS, True),
        ("api.example.com", HTTPS, True),
        ("API.Example.COM", HTTPS, True),
        ("api.example.com", "https://API.example.com./v1", True),
        ("example.com", HTTPS, True),
        (".example.com", HTTPS, True),
        ("*.example.com", HTTPS, True),
        (".example.com", "https://example.com", True),
        ("ample.com", HTTPS, False),
        ("example.com", "https://example.com.evil.org", False),
        ("v1.api.example.com", HTTPS, False),
        ("other.com api.example.com", HTTPS, True),
        ("other.com,\tapi.example.com", HTTPS, True),
        ("api.example.com:443", HTTPS, True),
        ("api.example.com:443", HTTP, False),
        ("api.example.com:80", HTTP, True),
        ("api.example.com:8443", "https://api.example.com:8443/v1", True),
        ("api.example.com:8443", HTTPS, False),
        ("*:443", HTTPS, True),
        ("*:443", HTTP, False),
        ("10.0.0.0/8", "http://10.1.2.3:8000/v1", True),
        ("10.0.0.0/8", "http://11.1.2.3:8000/v1", False),
        ("10.1.2.3/8", "http://10.9.9.9", True),
        ("10.1.2.3", "http://10.1.2.3", True),
        ("10.1.2.3", "http://10.1.2.30", False),
        ("10.1.2.3:8000", "http://10.1.2.3:8000", True),
        ("10.1.2.3:8000", "http://10.1.2.3", False),
        ("10.0.0.0/8", "http://ten.example.com", False),
        ("0.0.0.0/0", "http://[fd00::1]", False),
        ("fd00::/8", "http://[fd12:3456::1]:8000", True),
        ("fd00::/8", "http://[fe80::1]", False),
        ("::1", "http://[::1]:8000", True),
        ("[::1]", "http://[::1]:8000", True),
        ("[::1]:8000", "http://[::1]:8000", True),
        ("[::1]:8000", "http://[::1]:8001", False),
        ("0:0:0:0:0:0:0:1", "http://[::1]", True),
        ("10.0.0.0/99", "http://10.1.2.3", False),
        ("localhost", "http://localhost:11434", True),
    ],
)
def test_is_exempt(no_proxy: str, url: str, *, expected: bool) -> None:
    """Hosts with all below them, addresses, networks, ports, and `*` for everything."""
    assert is_exempt(urlsplit(url), no_proxy) is expected


@settings(deadline=None)
@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_network_v4(address: IPv4Address, length: int) -> None:
    """An address is exempt by any network that holds it."""
    network = ip_network(f"{address}/{length}", strict=False)
    assert is_exempt(urlsplit(f"http://{address}:8000"), f"x.org,{network}")


@settings(deadline=None)
@given(st.ip_addresses(v=6), st.integers(0, 128))
def test_network_v6(address: IPv6Address, length: int) -> None:
    """An IPv6 address is exempt by any network that holds it, however either is spelled."""
    network = ip_network(f"{address}/{length}", strict=False)
    assert is_exempt(urlsplit(f"http://[{address.exploded}]:8000"), f"{network.compressed},x.org")


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_list_is_read(no_proxy: str) -> None:
    """Whatever stands in NO_PROXY, a host is exempt only if the list holds a `*` or a part of its name."""
    is_listed = "*" in no_proxy or "com" in no_proxy.lower()
    assert is_listed or not is_exempt(urlsplit(HTTPS), no_proxy)
