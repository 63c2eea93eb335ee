"""The certificate of both doors, read again without a restart (spec access.md W27)."""

from __future__ import annotations

import logging
import ssl
from typing import Self

from attrs import frozen

from pepeunit.domain.errors import Unavailable

log = logging.getLogger(__name__)


@frozen
class Certificate:
    """``context`` is shared by every listener; connections made after :meth:`reload` see the new
    certificate, running ones go on. TLS 1.2 is the least."""

    context: ssl.SSLContext
    cert_path: str
    key_path: str | None

    @classmethod
    def load(cls, cert_path: str, key_path: str | None) -> Self:
        """Raises ``Unavailable`` when the files cannot be read or do not belong together."""
        return cls(_context(cert_path, key_path), cert_path, key_path)

    def reload(self) -> None:
        """Read the files again. What cannot be used is logged, and the old certificate stays."""
        try:
            _context(self.cert_path, self.key_path)  # a bad pair would break the shared one
            self.context.load_cert_chain(self.cert_path, self.key_path)
        except (Unavailable, OSError) as error:
            log.error("the certificate was not read again: %s", error)
        else:
            log.info("the certificate was read again")


def _context(cert_path: str, key_path: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert_path, key_path, _no_passphrase)
    except ssl.SSLError as error:
        raise Unavailable(
            "certificate",
            f"{cert_path} and its key cannot be used ({error.reason or 'not PEM'}): "
            "PU_TLS_CERT and PU_TLS_KEY must be PEM files of one pair without a passphrase",
        ) from error
    except OSError as error:
        raise Unavailable(
            "certificate",
            f"{key_path or cert_path}: {error.strerror}: see PU_TLS_CERT and PU_TLS_KEY",
        ) from error
    return context


def _no_passphrase() -> str:
    """Without this a locked key would ask for its passphrase at the terminal."""
    return ""
