"""GraphiQL from our own files (``static/``): no other host, no inline script."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web
from attrs import frozen

STATIC: Final = Path(__file__).parent / "static"
FILES: Final = (
    "graphiql.min.css",
    "graphiql.min.js",
    "react.production.min.js",
    "react-dom.production.min.js",
    "start.js",
)
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
"""The editor sets style attributes; scripts stay limited to our files."""
PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Pepeunit GraphQL</title>
<link rel="stylesheet" href="{path}/static/graphiql.min.css">
</head>
<body style="margin: 0">
<div id="graphiql" style="height: 100vh"></div>
<script src="{path}/static/react.production.min.js"></script>
<script src="{path}/static/react-dom.production.min.js"></script>
<script src="{path}/static/graphiql.min.js"></script>
<script src="{path}/static/start.js" data-path="{path}"></script>
</body>
</html>
"""


@frozen
class GraphiQL:
    """The page in the browser of the GraphQL path."""

    path: str

    def add_to(self, router: web.UrlDispatcher) -> None:
        for name in FILES:
            router.add_route("GET", f"{self.path}/static/{name}", self.file)

    async def show(self, request: web.Request) -> web.Response:
        return web.Response(
            text=PAGE.format(path=self.path),
            content_type="text/html",
            headers={"Content-Security-Policy": POLICY},
        )

    async def file(self, request: web.Request) -> web.FileResponse:
        name = request.path.rpartition("/")[2]
        return web.FileResponse(STATIC / name, headers={"Cache-Control": "max-age=3600"})
