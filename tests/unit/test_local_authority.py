"""Certificates for phones on the LAN."""

from __future__ import annotations

import stat
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from community_flow.adapters.local_authority import SERVER_DAYS, certificate


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_server_is_signed_by_the_authority_for_its_names(tmp_path: Path) -> None:
    server, _ = certificate(tmp_path / "tls", ["gate.example"])
    made, authority = read(server), read(tmp_path / "tls" / "ca.pem")
    key = authority.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    made.verify_directly_issued_by(authority)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"gate.example", "127.0.0.1"} <= {str(name.value) for name in names}


def test_phones_take_it(tmp_path: Path) -> None:
    """They refuse server certificates of more than 398 days and authorities that are none."""
    server, _ = certificate(tmp_path / "tls", ["gate.example"])
    made = read(server)
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days <= SERVER_DAYS
    assert read(tmp_path / "tls" / "ca.pem").extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_it_is_made_once_and_again_for_a_new_name(tmp_path: Path) -> None:
    first = read(certificate(tmp_path / "tls", ["gate.example"])[0])
    same = read(certificate(tmp_path / "tls", ["gate.example"])[0])
    other = read(certificate(tmp_path / "tls", ["gate.example", "desk.example"])[0])
    assert first.serial_number == same.serial_number != other.serial_number


def test_private_keys_are_the_owners_alone(tmp_path: Path) -> None:
    certificate(tmp_path / "tls", ["gate.example"])
    for name in ("ca.key", "server.key"):
        assert stat.S_IMODE((tmp_path / "tls" / name).stat().st_mode) == 0o600
