"""Open-source sales audit: every arrival kept, posted exactly once, or parked with a reason until a person decides."""

__version__ = "0.1.0"
