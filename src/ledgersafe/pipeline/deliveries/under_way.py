"""under_way: of the same bytes, one thing is done at a time.

What was sent of a file's rows, and what was decided of them, is asked before more of them is sent. So nothing else may
send of them meanwhile: neither another delivery of the same bytes, nor a person who puts rows right; nor may one ignore
rows, which would be sent all the same.
"""

from ledgersafe.db.database import Tx
from ledgersafe.files import store as files
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import DELIVERY_UNDER_WAY


def refuse_under_way(tx: Tx, of: files.Ingestion) -> None:
    """Until the transaction ends, no delivery of these bytes is begun, and no row of them is decided on.

    Raises RequestRefused(DELIVERY_UNDER_WAY) where one of them waits, or is worked on.
    """
    files.lock_bytes(tx, of).one()
    found = files.under_way(tx, of).first()
    if found is not None:
        which = "" if found.ingestion_id == of.ingestion_id else ", of the same file,"
        message = f"Delivery {found.ingestion_id}{which} is {found.status}: ask again when it has ended."
        raise RequestRefused(DELIVERY_UNDER_WAY, message, {"Retry-After": "5"})
