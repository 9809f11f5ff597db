"""Apache Arrow's modules. They come without types, so they are Any here, in one place."""

from importlib import import_module
from typing import Any

pa: Any = import_module("pyarrow")
arrow_csv: Any = import_module("pyarrow.csv")
parquet: Any = import_module("pyarrow.parquet")
compute: Any = import_module("pyarrow.compute")
