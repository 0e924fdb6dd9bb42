"""The figures of the roads: moves between files, and private functions that are used once."""

from __future__ import annotations

from tools.privates import Privates
from tools.road_recording import Event, Figures, figures

MODULE = """
class A:
    def run(self):
        self._once()
        self._twice()
        self._twice()

    def _once(self):
        def _inner():
            return 1

        return map(_inner, [])

    def _twice(self): ...

    def __len__(self):
        return _unused and 0


def _never(): ...
"""


def called(*files: str) -> list[Event]:
    return [Event("call", file, "run") for file in files]


def test_a_move_is_a_call_in_another_file() -> None:
    events = called("a.py", "a.py", "b.py", "a.py", "c.py", "b.py")
    events[2:2] = [Event("return", "x.py", "run"), Event("sql", "", "COMMIT")]
    assert figures(events) == Figures(calls=6, moves=4, back=2, files=3)


def test_no_calls_are_no_moves() -> None:
    assert figures([]) == Figures(0, 0, 0, 0)


def test_private_functions_used_once_are_counted() -> None:
    privates = Privates()
    privates.add(MODULE)
    assert (len(privates.lines), privates.private, privates.single_use) == (6, 4, 2)
    assert sorted(privates.lines) == [1, 1, 2, 2, 4, 5]
