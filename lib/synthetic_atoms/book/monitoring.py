"""Watching a notebook run: the memory it takes and what it says."""

from __future__ import annotations

import contextlib
import threading
import time
from io import TextIOBase

import psutil
from tqdm import tqdm


class PeakMemory(threading.Thread):
    """Largest resident memory, in bytes, that the processes started by this one held together."""

    def __init__(self, interval_s: float = 0.2) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._interval_s = interval_s
        self._done = threading.Event()

    def run(self) -> None:
        """Look until told to stop."""
        this = psutil.Process()
        while not self._done.wait(self._interval_s):
            total = 0
            for child in this.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    total += child.memory_info().rss
            self.peak = max(self.peak, total)

    def __enter__(self) -> PeakMemory:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self.join()


class Relay:
    """Passes on what cells write to standard error: messages at once, a progress bar's updates now and then."""

    def __init__(self, stream: TextIOBase, chapter: str, interval_s: float) -> None:
        self._stream, self._chapter, self._interval_s = stream, chapter, interval_s
        self._last = -float("inf")  # the clock may have started a moment ago

    def write(self, text: str) -> None:
        """Take a piece of text, pass on what is worth it."""
        for line in text.replace("\r", "\n").splitlines():
            line = line.replace("\x1b[A", "").rstrip()
            if not line.strip():
                continue
            if "%|" in line and "100%|" not in line:
                if time.monotonic() - self._last < self._interval_s:
                    continue
                self._last = time.monotonic()
            tqdm.write(f"  {self._chapter}: {line}", file=self._stream)

    def flush(self) -> None:
        """Flush the stream behind."""
        self._stream.flush()
