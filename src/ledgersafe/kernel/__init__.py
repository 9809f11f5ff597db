"""Pure ground floor: money, clock, ids, canonical JSON, reasons, errors. Imports nothing of Ledgersafe."""
