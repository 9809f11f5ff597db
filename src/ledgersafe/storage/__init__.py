"""Where the bytes of received files are kept for ever, on a disk or in an object store."""
