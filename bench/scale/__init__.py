"""Measurements of how cost grows: separate commands, each bounded and with ``--help``, that take too long for ``make
bench``."""
