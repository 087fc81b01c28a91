"""What the sandbox raises when it cannot go on."""

from __future__ import annotations


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the message says why, and what a person can do about it."""
