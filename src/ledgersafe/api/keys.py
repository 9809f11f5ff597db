"""/v1/keys: API keys."""

from datetime import timedelta

from fastapi import APIRouter

from ledgersafe.api.dependencies import Administrator, HasParts
from ledgersafe.api.shapes import ApiKeyShape, KeyList, KeyWish, MadeKeyAnswer, RotateWish
from ledgersafe.pipeline.keys import Wish, create_key, list_keys, revoke_key, rotate_key

router = APIRouter(tags=["keys"])


@router.post("/v1/keys", status_code=201, summary="Make an API key")
def post_key(parts: HasParts, credential: Administrator, wish: KeyWish) -> MadeKeyAnswer:
    """It may do no more than the key that makes it. The token is shown this once."""
    wanted = Wish(wish.label, wish.tenant_ids, wish.scopes, wish.expires_at)
    made = create_key(parts.database, wanted, credential, parts.clock.now())
    return MadeKeyAnswer(token=made.token, key=ApiKeyShape.model_validate(made.key))


@router.get("/v1/keys", summary="List API keys")
def get_keys(parts: HasParts, credential: Administrator) -> KeyList:
    """The keys that serve none but the credential's tenants, ended ones included."""
    return KeyList(items=[ApiKeyShape.model_validate(key) for key in list_keys(parts.database, credential)])


@router.post("/v1/keys/{key_id}/revoke", summary="End an API key")
def post_revoke(parts: HasParts, credential: Administrator, key_id: str) -> ApiKeyShape:
    """It is refused everywhere within five seconds. Ending it twice is no error."""
    return ApiKeyShape.model_validate(revoke_key(parts.database, key_id, credential, parts.clock.now()))


@router.post("/v1/keys/{key_id}/rotate", status_code=201, summary="Replace an API key")
def post_rotate(parts: HasParts, credential: Administrator, key_id: str, wish: RotateWish) -> MadeKeyAnswer:
    """A new key that does the same; the old one ends after the overlap, so that senders can change over."""
    overlap = timedelta(seconds=wish.overlap_seconds)
    made = rotate_key(parts.database, key_id, overlap, credential, parts.clock.now())
    return MadeKeyAnswer(token=made.token, key=ApiKeyShape.model_validate(made.key))
