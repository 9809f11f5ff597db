"""The double-entry ledger: balanced entries, never changed, only reversed; the chart of accounts; the months."""
