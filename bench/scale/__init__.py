"""How cost grows: commands of their own, each bounded and with ``--help``, for what is too long for ``make bench``."""
