"""What a page is handed: the API, whose books are looked at, and as whom."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from ledgersafe.client.api import ApiClient, Parameters
from ledgersafe.console.sessions import Who


@dataclass(frozen=True, slots=True)
class Screen:
    """One run of one page. `tenant`: None looks at all that the key serves. `now`: of this run, in UTC."""

    client: ApiClient
    who: Who
    tenant: str | None
    tenants: tuple[str, ...]
    now: datetime

    def get(self, path: str, parameters: Parameters | None = None) -> Any:
        """The answer to a GET about the tenant looked at. Raises ApiError."""
        return self.client.get(path, {"tenant_id": self.tenant, **(parameters or {})})

    def post(self, path: str, content: dict[str, Any], *, tenant: str | None = None) -> Any:
        """The answer to a POST; `tenant`: for operations that want it in the address. Raises ApiError."""
        return self.client.post(path, content, {"tenant_id": tenant})

    def one_tenant(self) -> str:
        """The tenant looked at; where it is not said which, the page asks and ends."""
        if self.tenant is None:
            st.info(NOTHING_YET if not self.tenants else "Choose a tenant at the left: this page is about one.")
            st.stop()
        return self.tenant

    def link(self, page: str, /, **parameters: str | None) -> str:
        """The address of a page ("" is Health), with the tenant looked at and what else it is to show."""
        chosen = {"tenant": self.tenant, **parameters}
        query = urlencode({name: value for name, value in chosen.items() if value})
        return f"/{page}?{query}" if query else f"/{page}"


NOTHING_YET = (
    "There is nothing here yet. Send a first event with `ledgersafe events send FILE`, or upload a file on the page "
    "*Files*: what arrives shows up here within a second or two."
)
