"""Certificates for tests, created with the machine's openssl: an authority and the certificates it signed, all on
P-256."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CURVE: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


@dataclass(frozen=True, slots=True)
class Certificate:
    """The PEM files of a certificate and its key."""

    certificate: Path
    key: Path


def openssl_is_missing() -> bool:
    """Return whether this machine has no openssl."""
    return shutil.which("openssl") is None


def authority(folder: Path, name: str = "authority") -> Certificate:
    """Create a certificate that may sign others."""
    made = _files(folder, name)
    _openssl("req", "-x509", *CURVE, "-subj", f"/CN={name}", "-keyout", made.key, "-out", made.certificate)
    return made


def signed_by(signer: Certificate, folder: Path, common_name: str, *, also: str = "DNS:localhost") -> Certificate:
    """Create a certificate with this common name; `also` are its alternative names."""
    made = _files(folder, common_name)
    request = made.key.with_suffix(".csr")
    extensions = made.key.with_suffix(".ext")
    extensions.write_text(f"subjectAltName={also}\nbasicConstraints=CA:FALSE\n")
    _openssl("req", *CURVE, "-subj", f"/CN={common_name}", "-keyout", made.key, "-out", request)
    by = ("-CA", signer.certificate, "-CAkey", signer.key, "-CAcreateserial", "-days", "2", "-extfile", extensions)
    _openssl("x509", "-req", "-in", request, *by, "-out", made.certificate)
    return made


def _files(folder: Path, name: str) -> Certificate:
    return Certificate(folder / f"{name}.pem", folder / f"{name}.key")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
