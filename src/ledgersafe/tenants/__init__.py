"""Tenants, their stores, their settings, their API keys."""
