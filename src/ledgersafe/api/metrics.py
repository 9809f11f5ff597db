"""What is counted for Prometheus: base units, `_total` for counters, timestamps rather than ages."""

from prometheus_client import Counter, Gauge, Histogram

ARRIVALS = Counter("ledgersafe_arrivals_total", "Arrivals answered, by result and reason.", ["result", "reason"])
REFUSED = Counter("ledgersafe_requests_refused_total", "Requests refused, by reason.", ["reason"])
COMMIT_SECONDS = Histogram(
    "ledgersafe_commit_seconds",
    "Time that a group commit took.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
COMMIT_EVENTS = Histogram(
    "ledgersafe_commit_events", "Events in a group commit.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
)
QUEUE_EVENTS = Gauge("ledgersafe_queue_events", "Events that wait for a commit.")
QUEUE_BYTES = Gauge("ledgersafe_queue_bytes", "Bytes that wait for a commit.")
LAST_COMMIT = Gauge("ledgersafe_last_commit_timestamp_seconds", "When the last group commit ended.")
COMMIT_FAILURES = Counter("ledgersafe_commit_failures_total", "Group commits that failed, by kind.", ["kind"])
