"""HTTPS as the web application speaks it."""

import contextlib
import os
import socket
import ssl

from bem.runtime.settings import SettingsError, WebSettings, secret_path

_ONLY_HTTPS = (
    b"HTTP/1.1 400 Bad Request\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Connection: close\r\n"
    b"Content-Length: 49\r\n\r\n"
    b"This port speaks HTTPS: begin with https:// here\n"
)


def server_context(settings: WebSettings) -> ssl.SSLContext:
    """Read certificate and key, for TLS 1.2 and newer.

    Raises:
        SettingsError: says what cannot be used, and why.
    """
    key = secret_path(settings.key_file, "web.key_file")
    certificate = settings.certificate_file
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A client could make the server work for it again and again.
    context.options |= ssl.OP_NO_RENEGOTIATION
    for what, path in (("web.certificate_file", certificate), ("web.key_file", key)):
        if path is None or not os.access(path, os.R_OK):
            raise SettingsError(f"{what}: cannot read {path}")
    try:
        context.load_cert_chain(str(certificate), str(key))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"web.certificate_file {certificate} and web.key_file {key} cannot be used together: "
            f"{error}; both must be PEM files and the key must be the certificate's"
        ) from error
    return context


def answer_plainly(connection: socket.socket) -> None:
    """Tell a client that spoke plain HTTP to a port for HTTPS; it may have gone."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as plain:
        plain.settimeout(1)
        plain.sendall(_ONLY_HTTPS)
