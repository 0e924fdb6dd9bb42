"""The commands of ``reveille firmware``, as in ``commands.py``."""

from __future__ import annotations

import typer

firmware = typer.Typer(
    name="firmware",
    help="Firmware packages and updates of single devices: add, upload, list, delete, update, show, updates, cancel. "
    "Connects to --url, else REVEILLE_URL, else this machine.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
