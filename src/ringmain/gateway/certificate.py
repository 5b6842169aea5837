"""A self-signed server certificate, made on request."""

import datetime
import ipaddress
import os
import re
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ringmain.core.errors import RingmainError

CERTIFICATE_FILE, KEY_FILE = "certificate.pem", "certificate.key"
# RFC 1123: what looks like an address and is none, such as 300.1.1.1, is no name of a host either.
_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
HOST_NAME = re.compile(rf"(\*\.)?({_LABEL}\.)*(?!\d+$){_LABEL}")
BACKDATED = datetime.timedelta(minutes=5)  # clocks differ


def make(data: Path, names: list[str], days: int = 365) -> tuple[Path, Path]:
    """Make a key and a certificate for it in the data folder; return (certificate, key).

    The certificate is its own authority: clients trust it by its file. The key is readable
    by its owner alone.

    Parameters
    ----------
    names : list of str
        Host names and addresses that clients connect to.

    Raises
    ------
    RingmainError
        RM351 if there is one already, RM352 for a number of days that is none, RM363 if the folder cannot
        be written, RM364 for what is no name.
    """
    certificate_path, key_path = data / CERTIFICATE_FILE, data / KEY_FILE
    if certificate_path.exists() or key_path.exists():
        raise RingmainError(
            "RM351", "certificate", f"{data} has one already", "Move its two files away first"
        )
    if not 1 <= days <= 36_500:
        raise RingmainError("RM352", "certificate", f"{days} days is no lifetime", "Give 1 to 36500")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _self_signed(key, names, days)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        data.mkdir(parents=True, exist_ok=True)
        _write(key_path, secret, 0o600)
        _write(certificate_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    except OSError as error:
        raise RingmainError(
            "RM363", "certificate", f"{data} cannot be written: {error.strerror}",
            "Give a folder of your own with --data",
        ) from None  # fmt: skip
    return certificate_path, key_path


def _self_signed(key: ec.EllipticCurvePrivateKey, names: list[str], days: int) -> x509.Certificate:
    alternatives = [_general_name(each) for each in names]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if len(name) > 253 or not HOST_NAME.fullmatch(name):
        raise RingmainError(
            "RM364", "certificate", f"{name!r} is neither a host name nor an address",
            "Write it as venue.example, 127.0.0.1 or ::1",
        )  # fmt: skip
    return x509.DNSName(name)


def _write(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
