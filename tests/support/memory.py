"""The folder in memory for the files of tests: no test needs them after a crash of the machine, and a commit to a disk
waits for it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

_FOLDER: Final = Path("/dev/shm")
_BYTES: Final = 4 << 30


def memory_folder() -> Path | None:
    """Return a folder in memory with enough free space, or None."""
    enough = _FOLDER.is_dir() and shutil.disk_usage(_FOLDER).free >= _BYTES
    return _FOLDER if enough else None


def use_memory() -> None:
    """Make all temporary files of this process and its children in memory, unless TMPDIR is set or programs cannot run
    there."""
    folder = memory_folder()
    if folder is not None and "TMPDIR" not in os.environ and not os.statvfs(folder).f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
