"""Recording of the functions that a running process calls, and the figures of a recording (``tools/roads.py``)."""

from __future__ import annotations

import dis
import inspect
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any, Final

from tools.hygiene import ROOT

APP: Final = f"{ROOT / 'app'}{os.sep}"
NOT_APP: Final = ("cli.py", f"leshan{os.sep}simulator{os.sep}")
"""The command that runs the loop, and the simulator where it is still a part of ``app/``."""

RUNNER: Final = f"dispatcher{os.sep}runner.py"
"""The file of the function that receives the answer to a call."""


@dataclass(frozen=True, slots=True)
class Event:
    """One recorded event.

    Attributes:
        kind: ``call``, ``return``, ``sql`` (a statement) or ``sent`` (an ASGI message).
        file: of the function, below ``app/``; else empty.
        text: the function's name, the statement or the message.
        outermost: the file of the outermost function of ``app/`` on the stack.
    """

    kind: str
    file: str
    text: str
    outermost: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one road."""

    calls: int
    moves: int
    back: int
    files: int


def figures(events: Iterable[Event]) -> Figures:
    """Count the calls, moves and files of recorded events."""
    seen: set[str] = set()
    calls = moves = back = 0
    last = ""
    for event in events:
        if event.kind == "call":
            calls += 1
            moves += bool(last) and event.file != last
            back += event.file != last and event.file in seen
            seen.add(event.file)
            last = event.file
    return Figures(calls, moves, back, len(seen))


@dataclass(slots=True)
class Recorder:
    """The profile function of every thread.

    Attributes:
        value: the number whose reading is looked for.
        depth: functions of ``app/`` on the stack where the number was first returned, from the runner's on that has the
            answer, or 0.
    """

    on: bool = False
    events: list[Event] = field(default_factory=list)
    value: float | None = None
    depth: int = 0
    _files: dict[CodeType, str | None] = field(default_factory=dict)

    def start(self, value: float | None = None) -> None:
        self.events, self.value, self.depth, self.on = [], value, 0, True

    def note(self, kind: str, text: str) -> None:
        if self.on:
            self.events.append(Event(kind, "", text))

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        if not self.on or event not in ("call", "return"):
            return
        file = self._file(frame.f_code)
        if file is None:
            if event == "call" and frame.f_code.co_name in ("send", "asgi_send") and "message" in frame.f_locals:
                self.note("sent", str(frame.f_locals["message"]))
            return
        if frame.f_code.co_name.startswith("<"):
            return
        stack = [path for path in map(self._file, _named(frame)) if path is not None]
        self.events.append(Event(event, file, frame.f_code.co_qualname, stack[-1]))
        is_sought = event == "return" and self.value is not None and not self.depth and not _is_suspended(frame)
        if is_sought and _holds(arg, self.value):
            runner = next((index for index, path in enumerate(stack) if path == RUNNER), len(stack) - 1)
            self.depth = runner + 1
            self.note("read", frame.f_code.co_qualname)

    def _file(self, code: CodeType) -> str | None:
        if code not in self._files:
            name = code.co_filename
            file = name.removeprefix(APP)
            self._files[code] = None if file == name or file.startswith(NOT_APP) else file
        return self._files[code]


def _named(frame: FrameType | None) -> Iterator[CodeType]:
    while frame is not None:
        if not frame.f_code.co_name.startswith("<"):
            yield frame.f_code
        frame = frame.f_back


def _is_suspended(frame: FrameType) -> bool:
    generators = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
    code = frame.f_code
    return bool(code.co_flags & generators) and dis.opname[code.co_code[frame.f_lasti]] == "YIELD_VALUE"


def _holds(value: Any, sought: float | None, depth: int = 6) -> bool:
    """Return whether a value of ``app/`` is the number, or has it in one of its attributes or members."""
    if isinstance(value, float):
        return value == sought
    if not depth or isinstance(value, str | bytes | int | None):
        return False
    members: Iterable[Any] = ()
    if isinstance(value, dict):
        members = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        members = value
    elif type(value).__module__.startswith("app.") and hasattr(value, "__dataclass_fields__"):
        members = [getattr(value, name, None) for name in value.__dataclass_fields__]
    return any(_holds(member, sought, depth - 1) for member in members)
