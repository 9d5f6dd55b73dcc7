"""Certificate and key files, tried out when the configuration is read: a wrong one stops the start, not a request.

Not here: TLS itself (wire/). Invariant: nothing of a key file is ever repeated.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from proxy.config.refusal import Refused
from proxy.config.sources import ReadText, reason


def check_authorities(path: Path, read_text: ReadText) -> None:
    """Refuse a file that holds no certificates to trust. Raises Refused."""
    text = _read(path, read_text)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise Refused(f"{path} holds no certificates", "write a PEM file with the authority's certificate") from None


def check_pair(certificate: Path, key: Path, read_text: ReadText) -> None:
    """Refuse files that are not a certificate and its key. Raises Refused."""
    for path in (certificate, key):
        _read(path, read_text)
    try:
        # An encrypted key would ask for its password on the terminal; the empty one makes it fail instead.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError):
        raise Refused(
            f"{certificate} and {key} are not a certificate and its key",
            "write PEM files that belong together; the key is not encrypted",
        ) from None


def _read(path: Path, read_text: ReadText) -> str:
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read: {reason(error)}", "write the path of a PEM file") from None
