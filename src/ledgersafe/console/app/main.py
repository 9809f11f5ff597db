"""What Streamlit runs for every view of every page."""

from ledgersafe.console.frame import show
from ledgersafe.kernel.clock import SystemClock

show(SystemClock().now())
