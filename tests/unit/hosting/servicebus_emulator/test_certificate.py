"""The certificate that is made on first use."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from AgentOperatingSystem.hosting.servicebus_emulator.certificate import CertificateProblem, context, own

NOW = datetime.now(UTC)


def test_it_is_made_once_and_again_when_it_is_over(tmp_path: Path) -> None:
    pem, key = own(tmp_path / "new", NOW)
    first = pem.read_bytes()
    assert key.stat().st_mode & 0o077 == 0
    assert own(tmp_path / "new", NOW)[0].read_bytes() == first
    assert own(tmp_path / "new", NOW + timedelta(days=824))[0].read_bytes() != first


def test_what_is_no_certificate_is_made_anew(tmp_path: Path) -> None:
    pem, _ = own(tmp_path, NOW)
    pem.write_text("nonsense")
    assert isinstance(context(*own(tmp_path, NOW)), ssl.SSLContext)


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("nonsense")
    with pytest.raises(CertificateProblem, match=r"a\.pem"):
        context(tmp_path / "a.pem", tmp_path / "a.pem")
    (tmp_path / "file").write_text("")
    with pytest.raises(CertificateProblem, match="file"):
        own(tmp_path / "file", NOW)
