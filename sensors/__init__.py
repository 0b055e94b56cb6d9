"""Community Flow on the edge: what a gate's device needs, installable without the server."""

__version__ = "0.1.0"
