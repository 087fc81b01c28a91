"""Certificates that are issued, or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.sandbox.aws.foundations.conftest import Account, refused


def self_signed(name: str) -> tuple[bytes, bytes]:
    """A certificate and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def status(account: Account, arn: str) -> str:
    found: str = account.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]["Status"]
    return found


def test_a_requested_certificate_is_issued(account: Account) -> None:
    arn = account.client("acm").request_certificate(DomainName="e.com", ValidationMethod="DNS")[
        "CertificateArn"
    ]
    assert status(account, arn) == "ISSUED"


def test_an_imported_certificate_is_issued(account: Account) -> None:
    certificate, key = self_signed("e.com")
    arn = account.client("acm").import_certificate(Certificate=certificate, PrivateKey=key)["CertificateArn"]
    assert status(account, arn) == "ISSUED"


def test_the_state_of_a_certificate_can_be_set(account: Account) -> None:
    arn = account.client("acm").request_certificate(DomainName="e.com", ValidationMethod="DNS")[
        "CertificateArn"
    ]
    account.control.request("POST", "acm/status", {"arn": arn, "status": "PENDING_VALIDATION"})
    assert status(account, arn) == "PENDING_VALIDATION"


def test_a_certificate_that_is_not_there_is_not_found(account: Account) -> None:
    with refused("ResourceNotFoundException"):
        status(
            account, f"arn:aws:acm:us-east-1:{account.id}:certificate/00000000-0000-0000-0000-000000000000"
        )
