"""The demo: an invented community with exact ground truth, loaded through the real ways in."""
