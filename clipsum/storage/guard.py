"""Where `https://` may lead, when somebody else names the address: hosts on a list, and no internal address.

It holds in this process and in all that it starts. The check is made on the address that is then connected to, so a
name that resolves to another one meanwhile, a redirect, or an odd spelling of an address, changes nothing.
"""

import ipaddress
import os
import re
import socket
from collections.abc import Iterable

import urllib3
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.util.connection import create_connection

from clipsum.errors import ItemError, UsageError
from clipsum.storage.uri import shown

VARIABLE = "CLIPSUM_HTTPS_HOSTS"
"""Environment variable with the hosts, set where there is a guard: so it reaches every process that is started."""
HTTPS_PORT = 443
HOST = re.compile(r"(?:\*|(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::[0-9]+)?")
CARRIERS = tuple(map(ipaddress.IPv6Network, ("::ffff:0:0/96", "64:ff9b::/96")))
"""An IPv4 address is carried in the last 32 bits: mapped, and as NAT64 translates it."""
UNICAST = ipaddress.IPv6Network("2000::/3")
TUNNELS = tuple(map(ipaddress.IPv6Network, ("2002::/16", "2001::/32")))
SERVICES = tuple(map(ipaddress.IPv4Network, ("168.63.129.16/32", "192.0.0.0/24")))
"""Public by their number, or taken for it, and inside a cloud: what Azure and Oracle tell their machines."""


class NotAllowedError(urllib3.exceptions.HTTPError):
    """The address may not be connected to; it is not tried again."""


def guard_https(hosts: Iterable[str]) -> None:
    """From now on `https://` leads to these hosts alone: `name`, `name:port`, `*.domain`, or `*` for every public one.

    Without a port it is 443. No host at all closes https. Raises: UsageError where one is no such thing.
    """
    os.environ[VARIABLE] = ",".join(listed_hosts(hosts, "https host"))


def listed_hosts(hosts: Iterable[str], what: str) -> list[str]:
    """The hosts in one spelling. Raises: UsageError, which says of `what`, where one is no such thing."""
    listed = [host.strip().lower() for host in hosts]
    for host in listed:
        if not HOST.fullmatch(host):
            raise UsageError(f"{what} '{host}' is none: write a name, name:port, *.domain, or * for every host")
    return listed


def check_hosts(hosts: Iterable[str], what: str) -> None:
    """Raises: UsageError, which says of `what`, where one of them is no host, or one that is never connected to."""
    for host in listed_hosts(hosts, what):
        if _is_internal(host.partition(":")[0]):
            raise UsageError(f"{what} '{host}' is an internal address, which is never connected to: name a public one")


def _is_internal(name: str) -> bool:
    try:
        return not is_public(name)
    except ValueError:  # no number: what it resolves to is looked at when it is connected to
        return name == "localhost" or name.endswith(".localhost")


def is_guarded() -> bool:
    """Whether somebody called `guard_https`, here or in a process above."""
    return VARIABLE in os.environ


def check_https(url: str) -> None:
    """Nothing where there is no guard. Raises: ItemError (access_denied) for an address that is not on its list."""
    if is_guarded():
        check_host(url, os.environ[VARIABLE].split(","))


def check_host(url: str, hosts: Iterable[str]) -> None:
    """Raises: ItemError (access_denied) where the host is not one of `hosts`, as `guard_https` takes them."""
    plain = url.isascii() and url.isprintable() and not set(url) & set(" \\")
    try:
        parts = urllib3.util.parse_url(url)  # as the library that connects reads it
    except urllib3.exceptions.HTTPError as error:
        raise ItemError("access_denied", "open", f"{shown(url)}: is not a URL") from error
    if not plain or parts.auth is not None or not parts.host:
        raise ItemError("access_denied", "open", f"{shown(url)}: has a user, or letters that no address has")
    host, port = parts.host.rstrip("."), parts.port or HTTPS_PORT
    if not any(_matches(host, port, pattern) for pattern in hosts):
        raise ItemError("access_denied", "open", f"{shown(url)}: its host is not on the list of those allowed")


def _matches(host: str, port: int, pattern: str) -> bool:
    name, _, wanted = pattern.partition(":")
    known = host == name or name == "*" or (name.startswith("*.") and host.endswith(name[1:]))
    return known and port == int(wanted or HTTPS_PORT)


def is_public(address: str) -> bool:
    """Whether a numeric address is one of the open internet: not of this machine, its network or its cloud.

    >>> is_public("169.254.169.254"), is_public("::ffff:127.0.0.1"), is_public("93.184.215.14")
    (False, False, True)
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if any(found in carrier for carrier in CARRIERS):
            found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        elif found not in UNICAST or any(found in tunnel for tunnel in TUNNELS):
            return False
    if any(found in service for service in SERVICES):
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved


class GuardedConnection(HTTPSConnection):
    """Resolves a name once, looks at every address that it has, and connects to one of those and to no other."""

    def _new_conn(self) -> socket.socket:
        try:
            found = [str(each[4][0]) for each in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)]
            if not all(map(is_public, found)):
                raise NotAllowedError("the address is an internal one")
            return self._first(found)
        except (OSError, UnicodeError) as error:
            raise urllib3.exceptions.NewConnectionError(self, f"no connection: {error}") from error

    def _first(self, addresses: Iterable[str]) -> socket.socket:
        """A connection to the first address that answers. Raises: OSError."""
        failed: OSError = OSError("the name has no address")
        for address in addresses:
            try:
                return create_connection((address, self.port), self.timeout, socket_options=self.socket_options)
            except OSError as error:
                failed = error
        raise failed


class GuardedPool(HTTPSConnectionPool):
    """Connections that are guarded."""

    ConnectionCls = GuardedConnection
