"""Tensors and what there is to say about them in one ``.safetensors`` file, with a digest of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from synthetic_atoms.files import atomic_write

_ABOUT, _DIGEST = "synthetic_atoms", "digest"


def _digest(tensors: Mapping[str, Tensor], about: str) -> str:
    digest = hashlib.blake2b(about.encode(), digest_size=16)
    for name, value in sorted(tensors.items()):
        digest.update(f" {name} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def write_weights(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors (on the CPU) and a JSON object, whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    # One entry of metadata only: safetensors writes several in any order, and the same model must give the same bytes.
    whole = {**about, _DIGEST: _digest(tensors, json.dumps(about, sort_keys=True))}
    with atomic_write(path) as stream:
        stream.write(save(dict(tensors), metadata={_ABOUT: json.dumps(whole, sort_keys=True)}))


def read_weights(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The JSON object and the tensors of a file; files from before there were digests are taken as they are.

    Raises
    ------
    ValueError
        If the digest is another one; what the libraries raise if the file is no such file.
    """
    with safe_open(path, framework="pt") as archive:
        about = json.loads((archive.metadata() or {})[_ABOUT])
        tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118 (not a mapping)
    digest = about.pop(_DIGEST, None)
    if digest is not None and digest != _digest(tensors, json.dumps(about, sort_keys=True)):
        raise ValueError("another content than was written")
    return about, tensors
