"""Chromium for all tests of this folder."""

from __future__ import annotations

from tests.support.browser import api, chromium, watched

__all__ = ["api", "chromium", "watched"]
