"""The tool that removes guards finds each of them; otherwise only the next run of the tool would show that one has
moved."""

from __future__ import annotations

import pytest

from tests.faults.guards import GUARDS, ROOT, Guard


@pytest.mark.parametrize("guard", GUARDS, ids=[guard.name for guard in GUARDS])
def test_the_code_of_a_guard_is_found(guard: Guard) -> None:
    assert (ROOT / guard.file).read_text().count(guard.what) == 1
    assert guard.into != guard.what
    assert (ROOT / guard.test.partition("::")[0]).is_file()
