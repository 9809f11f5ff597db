"""Names of columns: how files and contracts find together, and what the database calls them. Pure."""

import re
import unicodedata
from hashlib import sha256

LINEAGE = frozenset({"tenant_id", "_ingestion_id", "_loaded_at", "_source_sha256", "_row_number"})
"""The columns of a curated table that are ours."""

WITHIN = frozenset({"_group", "_first", "_key", "_said"})
"""What rows are given on the way to their events, beside their own columns."""
_OF_POSTGRES = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
"""Names of columns that every table of Postgres has by itself."""
_SEPARATORS = re.compile(r"[\s_\-./\\:()#]+")
_UNFIT = re.compile(r"[^a-z0-9]+")


def normal_name(name: str) -> str:
    """A column's name for comparing: `Last Update`, `Last_Update` and a BOM before it are the same."""
    folded = unicodedata.normalize("NFKC", name).replace("\ufeff", "").strip().strip("\"'").casefold()
    return _SEPARATORS.sub("", folded) or folded


def sql_name(name: str) -> str:
    """The column's name in the curated table: lower case, words joined by `_`, at most 63 bytes."""
    ascii_only = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    found = _UNFIT.sub("_", ascii_only).strip("_")
    if not found:
        found = sha256(name.encode(errors="replace")).hexdigest()[:8]  # of letters that we do not spell
    if found[0].isdigit() or found in LINEAGE | _OF_POSTGRES:
        found = f"c_{found}"
    return found[:63]


def dataset_name(filename: str) -> str:
    """A dataset's name made of a file's: `Sales 2026.csv.gz` → `sales_2026`."""
    name = sql_name(filename.split(".", 1)[0])[:40].rstrip("_")
    return name if name[:1].isalpha() else f"d_{name}"[:40]
