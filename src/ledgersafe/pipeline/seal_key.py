"""The key that signs heads of seals: Ed25519, in a file beside the data, never in the database."""

import os
from collections.abc import Mapping
from pathlib import Path
from threading import get_ident
from typing import Any, cast

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER

ALGORITHM = "Ed25519"
_TYPE = "ledgersafe-head+jws"


class UnusableKey(Exception):
    """The file of the key cannot be read or made, or holds something else; the message says which file."""


def load_or_make(path: Path) -> OKPKey:
    """The private key in a file; it is made, readable by this user only, where there is none. Raises UnusableKey."""
    try:
        if not path.exists():
            _make(path)
        key = read_key(path)
    except OSError as error:
        raise UnusableKey(f"{path} cannot be read or made: {error.strerror}.") from error
    if not key.is_private:
        raise UnusableKey(f"{path} holds a public key only: nothing can be signed with it.")
    return key


def read_key(path: Path) -> OKPKey:
    """The key in a file, public or private. Raises UnusableKey."""
    try:
        return OKPKey.import_key(orjson.loads(path.read_bytes()))
    except OSError as error:
        raise UnusableKey(f"{path} cannot be read: {error.strerror}.") from error
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise UnusableKey(f"{path} holds no Ed25519 key (JWK): {error}.") from error


def _make(path: Path) -> None:
    """Whole, or not at all; and never over the key that somebody made meanwhile."""
    key = OKPKey.generate_key("Ed25519")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(orjson.dumps(key.as_dict(private=True), option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(handle)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def public_part(key: OKPKey) -> dict[str, Any]:
    """The public key as a JWK, for everybody who is to verify heads."""
    return {**cast("Mapping[str, Any]", key.as_dict(private=False)), "kid": key.thumbprint(), "alg": ALGORITHM}


def sign(statement: Mapping[str, Any], key: OKPKey) -> str:
    """A statement as a compact JWS (RFC 7515)."""
    header = {"alg": ALGORITHM, "kid": key.thumbprint(), "typ": _TYPE}
    return jws.serialize_compact(header, orjson.dumps(statement), key, algorithms=[ALGORITHM])


def read_signed(text: str, key: OKPKey) -> dict[str, Any]:
    """The statement of a compact JWS whose signature holds. Raises RequestRefused."""
    try:
        found = jws.deserialize_compact(text.strip(), key, algorithms=[ALGORITHM])
    except (JoseError, ValueError) as error:
        message = f"The head was not signed with this key, or was altered since: {error}."
        raise RequestRefused(INVALID_PARAMETER, message) from None
    statement: Any = orjson.loads(found.payload or b"null")
    if not isinstance(statement, dict) or found.headers().get("typ") != _TYPE:
        raise RequestRefused(INVALID_PARAMETER, "This is a signed statement, but no head of seals.")
    return cast("dict[str, Any]", statement)
