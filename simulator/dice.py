"""Seeded randomness: the same seed and name give the same numbers, whatever else happens meanwhile."""

from __future__ import annotations

import string
from hashlib import blake2b
from typing import Final

from simulator.config import Range

_LETTERS: Final = string.ascii_letters + string.digits


class Dice:
    """One device's random numbers. A counter instead of a ``random.Random``, which would cost 2.5 KiB for each of
    100,000 devices."""

    __slots__ = ("_name", "_thrown")

    def __init__(self, seed: int, name: str) -> None:
        self._name = f"{seed}/{name}".encode()
        self._thrown = 0

    def number(self) -> int:
        """Return the next number, 0 to 2**64 - 1."""
        self._thrown += 1
        return int.from_bytes(blake2b(self._name, digest_size=8, salt=self._thrown.to_bytes(8, "big")).digest(), "big")

    def share(self) -> float:
        """Return the next number, 0 to below 1."""
        return self.number() / 2**64

    def within(self, range_: Range) -> float:
        """Return a number between both ends; no random number is drawn if they are equal."""
        low, high = range_
        return low if low == high else low + (high - low) * self.share()

    def below(self, limit: int) -> int:
        """Return a whole number, 0 to ``limit`` - 1."""
        return self.number() % limit

    def text(self, length: int) -> str:
        """Return letters and digits, as in Leshan's registration ids."""
        number = self.number() | self.number() << 64
        letters = []
        for _ in range(length):
            number, rest = divmod(number, len(_LETTERS))
            letters.append(_LETTERS[rest])
        return "".join(letters)

    def uuid(self) -> str:
        """Return an id in the form of a random UUID, as Leshan's request ids."""
        digits = f"{self.number():016x}{self.number():016x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
