"""Folders of files that the program needs beside its code: at the top of a clone, inside the package of a wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parent


def folder(in_wheel: str, in_clone: str) -> Path:
    """Return a folder of resources: ``app/{in_wheel}`` of an installed wheel, else ``{in_clone}`` of a clone.

    The two names are those of ``tool.hatch.build.targets.wheel.sources`` in ``pyproject.toml``.

    Raises:
        FileNotFoundError: neither folder exists, so the installation is incomplete.
    """
    candidates = (_PACKAGE / in_wheel, _PACKAGE.parent / in_clone)
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"Incomplete installation: neither {candidates[0]} nor {candidates[1]} exists.")
