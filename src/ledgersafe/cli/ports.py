"""Ports to listen on: whether one can be had is told before anything is started."""

import socket

from ledgersafe.cli.client import CliError


def check_port(host: str, port: int, option: str = "--port") -> None:
    """Tell at once, and not from a child that dies again and again, that the port is taken. Raises CliError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise CliError(f"{host} is no address of this machine: {error.strerror}.") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            message = f"Port {port} on {host} cannot be had: {error.strerror}. Choose another with {option}."
            raise CliError(message) from None
