"""Certificates and their keys, tried when the configuration is read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from proxy.config.certificates import check_authorities, check_pair
from proxy.config.load import ConfigError, Flags, load, read_file
from proxy.config.refusal import Refused
from proxy.config.values import Tls


def _make(folder: Path, name: str, *more: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"]
    command += ["-subj", f"/CN={name}", "-out", str(certificate), "-keyout", str(key), *(more or ["-nodes"])]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return _make(tmp_path_factory.mktemp("pair"), "one")


def test_a_pair_that_belongs_together(pair: tuple[Path, Path]) -> None:
    check_pair(*pair, read_file)
    check_authorities(pair[0], read_file)


def test_a_key_of_another_certificate(pair: tuple[Path, Path], tmp_path: Path) -> None:
    _, key = _make(tmp_path, "two")
    with pytest.raises(Refused, match="are not a certificate and its key"):
        check_pair(pair[0], key, read_file)


def test_an_encrypted_key_is_refused_and_asks_nobody(tmp_path: Path) -> None:
    certificate, key = _make(tmp_path, "three", "-passout", "pass:canary")
    with pytest.raises(Refused, match="are not a certificate and its key"):
        check_pair(certificate, key, read_file)


def test_a_key_is_no_authority(pair: tuple[Path, Path]) -> None:
    with pytest.raises(Refused, match="holds no certificates"):
        check_authorities(pair[1], read_file)


def test_a_configuration_with_tls(pair: tuple[Path, Path]) -> None:
    certificate, key = pair
    file = certificate.parent / "paramwall.yaml"
    text = (
        "version: 1\nvendors:\n  a: {url: https://a.example/v1, ca_file: one.pem}\n"
        "tls: {certificate: one.pem, key: one.key}\n"
    )
    file.write_text(text, encoding="utf-8")
    modes = {key: 0o644}
    said = load(Flags(config=str(file)), {}, read_file, modes.get)
    assert said.config.tls == Tls(str(certificate), str(key))
    assert said.config.vendors[0].ca_file == str(certificate)
    assert set(said.config.watched) == {str(file), str(certificate), str(key)}
    assert said.warnings == (f"tls.key: every user of this machine can read {key}; hint: chmod o-r {key}",)
    file.write_text(text.replace("one.key", "one.pem"), encoding="utf-8")
    with pytest.raises(ConfigError, match="are not a certificate and its key"):
        load(Flags(config=str(file)), {}, read_file)
