"""Reading and writing files: nothing half-written is read back, and every damage ends in one sentence."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetic_atoms.errors import DataError
from synthetic_atoms.files import atomic_write, cache_directory, read_npz, sha256, write_npz

ARRAYS = {
    "energy": np.linspace(-1.0, 1.0, 50),
    "position": np.arange(150, dtype=np.uint16).reshape(50, 3),
    "length": np.float64(9.5),
    "symbol": np.array(["C", "Si"]),
}
KINDS = {"energy": "f1", "position": "iu2", "length": "f01", "symbol": "U1"}


def one_sentence(error: pytest.ExceptionInfo) -> str:
    """The message, which must be a single line that ends like a sentence."""
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_npz_round_trip(tmp_path):
    write_npz(tmp_path / "sub" / "a.npz", ARRAYS)
    read = read_npz(tmp_path / "sub" / "a.npz", KINDS)
    assert read.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array, strict=True)


def test_same_arrays_give_same_bytes_at_any_time(tmp_path, monkeypatch):
    write_npz(tmp_path / "a.npz", ARRAYS)
    later = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: later)
    write_npz(tmp_path / "b.npz", ARRAYS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_sha256_is_that_of_the_bytes(tmp_path):
    content = os.urandom(3_000_000)
    (tmp_path / "a").write_bytes(content)
    assert sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()
    with pytest.raises(DataError, match="No such file") as error:
        sha256(tmp_path / "b")
    one_sentence(error)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({"force": "f1"}, "Expected an array 'force' in .* found energy, length, position, symbol"),
        ({"energy": "f2"}, "'energy' in .* 2 dimension.* found shape \\(50,\\)"),
        ({"energy": "iu1"}, "'energy' in .* kind 'iu', found .* float64"),
        ({"position": "iu01"}, "0 or 1 dimension"),
    ],
)
def test_other_content_than_expected(tmp_path, kinds, expected):
    write_npz(tmp_path / "a.npz", ARRAYS)
    with pytest.raises(DataError, match=expected) as error:
        read_npz(tmp_path / "a.npz", kinds)
    one_sentence(error)


def _bare_array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.arange(3))
    return stream.getvalue()


def _pickled_object() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, energy=np.array([{"a": 1}], dtype=object))
    return stream.getvalue()


def _zip_of_text() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("energy", "not an array")
    return stream.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"text\n", b"PK\x03\x04", _bare_array(), _pickled_object(), _zip_of_text()], ids=range(6)
)
def test_not_an_npz(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"complete \.npz file at .*a\.npz, found a damaged one") as error:
        read_npz(tmp_path / "a.npz", {"energy": "f1"})
    assert "\n" not in str(error.value)


def test_missing_npz(tmp_path):
    with pytest.raises(DataError, match=r"Expected a data file at .*found none"):
        read_npz(tmp_path / "a.npz", {})


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_damage_is_noticed_or_harmless(data):
    """Cut an archive anywhere, or change any byte: the arrays are unharmed or the file is refused in one sentence."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.npz"
        write_npz(path, ARRAYS)
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1), label="place")
        if data.draw(st.booleans(), label="cut"):
            content = content[:place]
        else:
            content[place] ^= data.draw(st.integers(1, 255), label="flip")
        path.write_bytes(content)
        try:
            read = read_npz(path, KINDS)
        except DataError as error:
            message, read = str(error), ARRAYS
        else:
            message = "a.npz"
    assert "a.npz" in message
    assert "\n" not in message
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array, strict=True)


def test_write_replaces_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="stop"), atomic_write(path, "w") as stream:  # noqa: PT012
        stream.write("new")
        stream.flush()
        raise RuntimeError("stop")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]
    with atomic_write(path, "w") as stream:
        stream.write("ne\u00fc")
    assert path.read_text(encoding="utf-8") == "ne\u00fc"
    assert path.stat().st_mode & 0o777 == 0o644


def test_no_room_left(tmp_path):
    """A limit on file size stops the write in the middle, as a full disk does."""
    path = tmp_path / "a.npz"
    write_npz(path, {"energy": np.zeros(3)})
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(DataError, match=r"Could not write .*a\.npz.*room left") as error:
            write_npz(path, {"energy": np.random.default_rng(0).normal(size=100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    one_sentence(error)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.npz"]


def test_folder_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"Could not write .*file/a\.npz") as error:
        write_npz(tmp_path / "file" / "a.npz", ARRAYS)
    one_sentence(error)


def test_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from synthetic_atoms.files import atomic_write\n"
        "with atomic_write(Path(sys.argv[1]), 'w') as stream:\n"
        "    stream.write('new' * 10000)\n"
        "    stream.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert all(name == "a.txt" or name.endswith(".part") for name in os.listdir(tmp_path))


def test_cache_directory_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("SYNTHETIC_ATOMS_CACHE", str(tmp_path / "cache"))
    assert cache_directory() == tmp_path / "cache"
    monkeypatch.delenv("SYNTHETIC_ATOMS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache_directory().name == "synthetic-atoms"
