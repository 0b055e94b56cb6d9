"""What a store of each released revision holds: small, real, frozen. `freeze.py` makes one at a release."""

RELEASED = ("0001",)
"""Revisions of tables that somebody may have. A release adds its own, with a file beside this one."""
