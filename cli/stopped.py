"""Ctrl-C in work that can be gone on with."""

from __future__ import annotations

import click


class Stopped(click.Abort):
    """An interruption whose text says what is kept and how to go on; it is all that is printed."""
