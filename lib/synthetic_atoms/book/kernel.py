"""The Python process in which a notebook runs."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Environment variables for what is started within the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@contextlib.contextmanager
def private_kernel() -> Iterator[str]:
    """Name of a kernel that is this very Python, whatever kernels the user has, with no IPython profile of theirs."""
    with tempfile.TemporaryDirectory(prefix="synthetic-atoms-kernel-") as temporary:
        folder = Path(temporary) / "kernels" / "python3"
        folder.mkdir(parents=True)
        specification = {
            "argv": [
                *(sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"),
                "--IPKernelApp.log_level=CRITICAL",  # its warnings are about its own connections
                # Without its notebook flavour tqdm draws its bars as text, which can be relayed to the terminal.
                "--IPKernelApp.exec_lines=import sys; sys.modules['tqdm.notebook'] = None",
            ],
            "display_name": "Python 3",
            "language": "python",
            "env": {"IPYTHONDIR": str(Path(temporary) / "ipython"), "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
        }
        (folder / "kernel.json").write_text(json.dumps(specification), encoding="utf-8")
        others = os.environ.get("JUPYTER_PATH")
        with environment(JUPYTER_PATH=os.pathsep.join([temporary, others] if others else [temporary])):
            yield "python3"
