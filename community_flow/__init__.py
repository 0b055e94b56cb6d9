"""Community Flow: people-flow of neighbourhoods, as a pure function of reports from gates."""

__version__ = "0.1.0"
