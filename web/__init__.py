"""Where the web files are. Nothing else: this folder has no Python but this."""

from pathlib import Path

ROOT = Path(__file__).parent
