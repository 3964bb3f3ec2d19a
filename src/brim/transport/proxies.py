"""Which proxy stands before a URL, by the environment variables everybody uses. Pure: it is told the variables.

The variables are `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`; the lower-case spelling wins where both are
set, and an empty one counts as unset, as curl has it. `NO_PROXY` is a list, parted by commas or blanks, of

- `*`: nothing goes through a proxy;
- a host: that host and every host below it; a leading `.` or `*.` changes nothing;
- an address, or a network as `10.0.0.0/8` or `fd00::/8`: what the URL names as an address in it. Names are not
  resolved to find out, since with a proxy only the proxy may be able to;
- any host or address with a port, `host:8080` or `[::1]:8080`: that port alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

from brim.errors import ConfigError

__all__ = ["is_exempt", "proxy_for"]

_Address: TypeAlias = IPv4Address | IPv6Address
_Network: TypeAlias = IPv4Network | IPv6Network

_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_SEPARATORS: Final = re.compile(r"[,\s]+")
_WITH_PORT: Final = re.compile(r"\[(?P<bracketed>[^\]]*)\](?::(?P<port6>\d+))?|(?P<plain>[^:]*):(?P<port4>\d+)")


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """Say which proxy *url* goes through: the proxy's URL, credentials included, or None for a direct connection.

    Raises:
        ConfigError: the variable that applies names no http or https proxy. The message holds no credentials.
    """
    parts = urlsplit(url)
    named = _first_set(environ, f"{parts.scheme}_proxy", "all_proxy")
    if named is None or is_exempt(parts, _value(environ, "no_proxy")):
        return None
    variable, proxy = named
    return _checked(proxy if "://" in proxy else f"http://{proxy}", variable)


def is_exempt(url: SplitResult, no_proxy: str) -> bool:
    """Does the list *no_proxy* say that *url* is reached without a proxy?"""
    host = (url.hostname or "").rstrip(".")
    port = url.port or _DEFAULT_PORT.get(url.scheme)
    address = _address(host)
    return any(
        wanted in {None, port} and (name == "*" or _covers(name, host, address)) for name, wanted in _entries(no_proxy)
    )


def _entries(no_proxy: str) -> Iterator[tuple[str, int | None]]:
    """The list's hosts, each with the one port it speaks of, or None for all ports."""
    for entry in _SEPARATORS.split(no_proxy.lower()):
        if not entry:
            continue
        if match := _WITH_PORT.fullmatch(entry):
            port = match["port6"] or match["port4"]
            yield match["bracketed"] or match["plain"] or "", int(port) if port else None
        else:
            yield entry, None


def _covers(name: str, host: str, address: _Address | None) -> bool:
    if address is not None:
        network = _network(name)
        return network is not None and address in network
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _address(host: str) -> _Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _network(name: str) -> _Network | None:
    try:
        return ip_network(name, strict=False)
    except ValueError:
        return None


def _value(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name) or environ.get(name.upper()) or "").strip()


def _first_set(environ: Mapping[str, str], *names: str) -> tuple[str, str] | None:
    return next(((name.upper(), value) for name in names if (value := _value(environ, name))), None)


def _checked(proxy: str, variable: str) -> str:
    try:
        parts = urlsplit(proxy)
        is_usable = parts.scheme in _DEFAULT_PORT and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        scheme = proxy.partition("://")[0]
        raise ConfigError(
            f"{variable} names a proxy that can't be used (it begins with {scheme}://); "
            f"it should look like http://host:port, or list the endpoint's host in NO_PROXY"
        )
    return proxy
