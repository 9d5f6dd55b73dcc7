"""The sweep after every test can fail: each way of leaving a key behind is caught, and a declared one is not."""

from __future__ import annotations

import pytest

from tests.source import ROOT

pytest_plugins = ("pytester",)

LEAKS = """
import base64, gzip, logging, os, pickle, sqlite3, subprocess, sys, zipfile, zlib
from urllib.parse import quote

import pytest

from proxy.config.values import Secret
from tests.canary_sweep import VARIABLE, told

KEY = "vk/" + "planted" + "Random" + "4711"
Secret(KEY)
OTHER = os.environ[VARIABLE]


def write(path, data):
    path.write_bytes(data)


def test_leak_print():
    print(KEY)


def test_leak_stderr():
    os.write(2, KEY.encode())


def test_leak_logging():
    logging.getLogger("x").warning("with %s", KEY)


def test_leak_of_a_fixture(request):
    request.addfinalizer(lambda: print(KEY))


def test_leak_told():
    told("somewhere", "before " + KEY)


def test_leak_captured(capsys):
    print(KEY)
    capsys.readouterr()


def test_leak_of_a_process():
    subprocess.run([sys.executable, "-c", f"print({KEY!r})"], capture_output=True)


def test_leak_of_the_environment():
    print(dict(os.environ))


def test_leak_given_to_a_process():
    subprocess.run([sys.executable, "-c", ""], env={"A_KEY": "given-to-a-child-only"})
    print("given-to-a-child-only")


@pytest.mark.parametrize("before", ["", "a", "bc"])
def test_leak_base64(before):
    print(base64.b64encode((before + KEY + "tail").encode()).decode())


def test_leak_quoted():
    print(quote(KEY, safe=""))


def test_leak_escaped():
    print(KEY.replace("/", "\\\\/"))


def test_leak_hex():
    print(KEY.encode().hex().upper())


def test_leak_a_part():
    print(OTHER[-9:-1])


def test_leak_a_shape():
    print("sk-" + "abcdefgh")


def test_leak_a_field():
    print("Authorization: Bearer", "abcdefgh")


@pytest.mark.given_keys("other")
def test_leak_file(tmp_path):
    (tmp_path / "a").mkdir()
    write(tmp_path / "a" / "b", KEY.encode())


def test_leak_gzip(tmp_path):
    write(tmp_path / "a.gz", gzip.compress(KEY.encode()))


def test_leak_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/it", KEY)


def test_leak_database(tmp_path):
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("CREATE TABLE t (a INTEGER, b BLOB)")
        database.execute("INSERT INTO t VALUES (1, ?)", (zlib.compress(KEY.encode()),))


def test_clean(tmp_path, capsys):
    print("nothing", repr(Secret(KEY)), KEY[:4])
    write(tmp_path / "a", b"nothing")


@pytest.mark.given_keys("key", "in/*.yaml")
def test_clean_declared(tmp_path):
    (tmp_path / "in").mkdir()
    write(tmp_path / "key", KEY.encode())
    write(tmp_path / "in" / "a.yaml", KEY.encode())


def test_clean_after_the_others():
    pass
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2", "-p", "xdist")], ids=["one process", "two workers"])
def test_every_leak_is_caught_and_nothing_else(
    workers: tuple[str, ...], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(test_leaks=LEAKS)
    options = ("-p", "tests.canary_sweep", "-p", "no:cacheprovider", "-rEp", "--show-capture=no", *workers)
    done = pytester.runpytest_subprocess(*options, timeout=60)
    caught = {line.split("::")[1].split(" ")[0] for line in done.outlines if line.startswith("ERROR ") and "::" in line}
    ran = {line.split("::")[1].split(" ")[0] for line in done.outlines if line.startswith("PASSED ")}
    assert {name for name in ran if name.startswith("test_leak")} == caught
    assert len(caught) == LEAKS.count("def test_leak") + 2
    assert sum(name.startswith("test_clean") for name in ran) == LEAKS.count("def test_clean")
