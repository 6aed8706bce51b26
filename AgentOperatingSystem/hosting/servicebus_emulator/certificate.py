"""A certificate for this machine: the one that is given, or one of our own that is made on first use and kept.

It is for `localhost`, `127.0.0.1` and `::1`, and signs itself: clients are told to trust the file.
"""

import ipaddress
import ssl
from datetime import datetime, timedelta
from pathlib import Path

CERTIFICATE_FILE, KEY_FILE = "localhost.pem", "localhost.key"
_DAYS = 825  # the longest that common clients accept


class CertificateProblem(ValueError):
    """No certificate can be had; the message says why."""


def own(directory: Path, now: datetime) -> tuple[Path, Path]:
    """(certificate, key) in this directory, made where they are missing or over. Raises `CertificateProblem`."""
    certificate, key = directory / CERTIFICATE_FILE, directory / KEY_FILE
    try:
        if not (key.exists() and certificate.exists() and _is_valid(certificate, now)):
            directory.mkdir(parents=True, exist_ok=True)
            _make(certificate, key, now)
    except ImportError:
        raise CertificateProblem(
            "a certificate is made with the package cryptography, which is not there: install it, or give a "
            "certificate and its key"
        ) from None
    except OSError as error:
        raise CertificateProblem(f"{directory}: {error.strerror}") from None
    return certificate, key


def context(certificate: Path, key: Path) -> ssl.SSLContext:
    """For a server. Raises `CertificateProblem`."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        made.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise CertificateProblem(f"{certificate} and {key}: {error}") from None
    return made


def _is_valid(certificate: Path, now: datetime) -> bool:
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
    except ValueError:
        return False
    return found.not_valid_before_utc <= now < found.not_valid_after_utc - timedelta(days=1)


def _make(certificate: Path, key: Path, now: datetime) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    addresses = [x509.IPAddress(ipaddress.ip_address(each)) for each in ("127.0.0.1", "::1")]
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(secret.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=_DAYS))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), *addresses])
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    signed = builder.sign(secret, hashes.SHA256())
    plain = serialization.NoEncryption()
    pem = secret.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    key.touch(mode=0o600)
    key.write_bytes(pem)
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
