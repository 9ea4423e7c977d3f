"""The JavaScript that draws charts: Vega, Vega-Lite and Vega-Embed out of vl-convert's wheel, and of no other place.

Making the bundle takes some seconds and a megabyte: it is made once in the background, kept on disk by version, and a
page's figures and tables do not wait for it.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
import threading
import zlib
from importlib.metadata import version
from pathlib import Path

# vega-embed holds an interpreter of Vega's expressions: with `ast`, no code is made of text at run time (CSP).
_SNIPPET = "window.vegaEmbed = vegaEmbed; document.dispatchEvent(new Event('vega'));"


class Vega:
    """The bundle, packed with gzip.

    Attributes:
        version: changes when its content does.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or _cache()
        found = version("vl-convert-python")
        self.version = f"{found}-{hashlib.sha256(_SNIPPET.encode()).hexdigest()[:8]}"
        self._made = threading.Event()
        self._lock = threading.Lock()
        self._body = b""
        self._error: Exception | None = None

    def start(self) -> None:
        """Begin to make it, unless that was begun before."""
        if self._lock.acquire(blocking=False):
            threading.Thread(target=self._make, name="vega", daemon=True).start()

    def packed(self, timeout: float = 60) -> bytes:
        """It, as soon as it is there.

        Raises:
            RuntimeError: it cannot be made, or takes longer than ``timeout`` seconds.
        """
        self.start()
        if not self._made.wait(timeout) or self._error is not None:
            raise RuntimeError("The charts' JavaScript could not be made.") from self._error
        return self._body

    def _make(self) -> None:
        try:
            file = self._folder / f"vega-{self.version}.js.gz"
            self._body = _whole(file) or self._write(file)
        except Exception as error:
            self._error = error
        finally:
            self._made.set()

    def _write(self, file: Path) -> bytes:
        import vl_convert

        body = gzip.compress(vl_convert.javascript_bundle(_SNIPPET).encode(), 9, mtime=0)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as part:
                part.write(body)
            Path(part.name).replace(file)
        except OSError:
            pass  # a disk that may not be written to: it is made again by the next process
        return body


def _whole(file: Path) -> bytes | None:
    try:
        body = file.read_bytes()
        gzip.decompress(body)
    except (OSError, EOFError, zlib.error):  # cut off, or damaged: it is made again
        return None
    return body


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ingot"
