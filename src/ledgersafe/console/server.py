"""One process of the console: Streamlit behind our door, served by uvicorn."""

from pathlib import Path

import uvicorn
from starlette.middleware import Middleware
from streamlit.starlette import App

from ledgersafe.console.door import LOOPBACK, Door, Doorkeeper
from ledgersafe.console.no_page import OnlyPages
from ledgersafe.console.pages import PAGES
from ledgersafe.console.sessions import sessions

_STOP_SECONDS = 3


def serve(url: str, host: str, port: int) -> None:
    """Serve the console of the API at `url` until SIGTERM."""
    door = Door(url, sessions(), lets_all_in=host in LOOPBACK)
    app = App(
        Path(__file__).parent / "app" / "main.py",
        routes=door.routes(),
        middleware=[
            Middleware(Doorkeeper, sessions=sessions()),
            Middleware(OnlyPages, pages=[page.path for page in PAGES]),
        ],
    )
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        ws_max_size=64 << 20,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
