"""One webhook message over the network: signed, bounded in time, and only to where it may go."""

import socket
import time
from collections.abc import Iterable
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from ssl import SSLContext, SSLError
from typing import Any

import httpcore
from standardwebhooks.webhooks import Webhook

from ledgersafe import __version__
from ledgersafe.jobs.store import Delivery, Receiver
from ledgersafe.pipeline.webhooks import Attempt, Send

SECONDS = 15.0
"""How long one attempt may take, from the first byte to the last; the look-up of a name is bounded by the system."""
_LAST_32_BITS = tuple(
    IPv6Network(text)
    for text in (
        "::/96",  # IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64
    )
)
"""Where an IPv6 address ends with the IPv4 one that it stands for."""
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_NEVER = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "192.0.0.0/24",  # protocols of the IETF; Oracle's cloud answers at 192.0.0.192
        "192.88.99.0/24",  # relays of 6to4
        "2001::/32",  # Teredo: the IPv4 address in it is one's own choosing
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure's host
        "fd00:42::42/128",  # Scaleway
        "fd00:100::100:200/128",  # Alibaba
        "fd00:a9fe:a9fe::1/128",  # Akamai
        "fd00:c1::a9fe:a9fe/128",  # Oracle
        "fd00:ec2::/32",  # AWS: metadata, credentials of pods, names, time
        "fd20:ce::254/128",  # Google
    )
)
"""Addresses that no setting allows: those where clouds answer with credentials, and what is no receiver's address."""
_GONE = 410
Address = IPv4Address | IPv6Address


class AddressRefused(Exception):
    """A name that leads to where no webhook may go."""


def is_allowed(address: Address, *, private: bool) -> bool:
    """Whether a webhook may go to an address: a public one; with `private`, those of one's own network and machine too.

    Never allowed: link-local and other addresses where clouds answer with credentials, and what is no receiver's
    address (multicast, reserved, broadcast, unspecified, site-local).
    """
    inner = _inner(address)
    if inner.is_loopback:
        return private
    if inner.is_link_local or inner.is_multicast or inner.is_unspecified or inner.is_reserved:
        return False
    if any(inner in network for network in _NEVER) or (isinstance(inner, IPv6Address) and inner.is_site_local):
        return False
    return inner.is_global or (private and inner.is_private)


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv4Address) or address.is_loopback:
        return address
    if any(address in network for network in _LAST_32_BITS) or _is_local_nat64(address):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour or address


def _is_local_nat64(address: IPv6Address) -> bool:
    """Whether a local NAT64 (RFC 8215) can only mean the last 32 bits.

    With a longer or shorter prefix (RFC 6052) the IPv4 address would lie elsewhere, and then nothing but zeros may lie
    there; any other address of the network stands for none, and is reserved.
    """
    return address in _LOCAL_NAT64 and (int(address) >> 32) & 0xFFFFFFFF == 0


class _Bounded(httpcore.NetworkStream):
    """A connection that ends at one moment, whatever is read or written bit by bit until then."""

    def __init__(self, of: httpcore.NetworkStream, until: float) -> None:
        self._of, self._until = of, until

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("it took too long")
        return left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._of.read(max_bytes, self._left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._of.write(buffer, self._left())

    def close(self) -> None:
        self._of.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Bounded(self._of.start_tls(ssl_context, server_hostname, self._left()), self._until)

    def get_extra_info(self, info: str) -> Any:
        return self._of.get_extra_info(info)


class _Guarded(httpcore.NetworkBackend):
    """Connects to the very address that it has judged: a name that is looked up twice may lead to two places."""

    def __init__(self, *, private: bool, until: float) -> None:
        self._private, self._until = private, until
        self._real = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} is not known: {error}") from None
        addresses = [ip_address(str(one[4][0]).partition("%")[0]) for one in found]
        for address in addresses:
            if not is_allowed(address, private=self._private):
                raise AddressRefused(f"{host} leads to {address}, where no webhook may go")
        left = max(self._until - time.monotonic(), 0.001)
        return _Bounded(self._real.connect_tcp(str(addresses[0]), port, left), self._until)


def sender(*, private: bool, seconds: float = SECONDS) -> Send:
    """What sends a message. `private`: private and loopback addresses are allowed."""

    def send(receiver: Receiver, delivery: Delivery, now: datetime) -> Attempt:
        return _send(receiver, delivery, now, private=private, until=time.monotonic() + seconds)

    return send


def _send(receiver: Receiver, delivery: Delivery, now: datetime, *, private: bool, until: float) -> Attempt:
    guarded = _Guarded(private=private, until=until)
    try:
        with httpcore.ConnectionPool(network_backend=guarded) as pool:
            asked: dict[str, Any] = {"headers": _headers(receiver, delivery, now), "content": delivery.body.encode()}
            with pool.stream("POST", receiver.url, **asked) as answer:
                status = answer.status  # its body is not read, and where it redirects to is not followed
    except AddressRefused as error:
        return Attempt(f"{error}.")
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, SSLError, OSError) as error:
        return Attempt(f"{type(error).__name__}: {error}"[:500])
    if 200 <= status < 300:
        return Attempt(None)
    return Attempt(f"HTTP {status}", gone=status == _GONE)


def _headers(receiver: Receiver, delivery: Delivery, now: datetime) -> dict[str, str]:
    message_id = str(delivery.message_id)
    return {
        "Content-Type": "application/json",
        "User-Agent": f"ledgersafe/{__version__}",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(receiver.secret).sign(message_id, now, delivery.body),
    }
