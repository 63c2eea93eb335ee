"""Swagger UI from our own files (``static/``): no other host, no inline script."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web
from attrs import frozen

STATIC: Final = Path(__file__).parent / "static"
FILES: Final = ("swagger-ui.css", "swagger-ui-bundle.js", "start.js", "favicon-32x32.png")
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Swagger UI sets style attributes; scripts stay limited to our files."""

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Pepeunit REST</title>
<link rel="icon" href="{docs}/favicon-32x32.png">
<link rel="stylesheet" href="{docs}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{docs}/swagger-ui-bundle.js"></script>
<script src="{docs}/start.js" data-document="{document}"></script>
</body>
</html>
"""


@frozen
class SwaggerUi:
    """``docs`` and ``document`` are absolute paths of the page and of the OpenAPI document."""

    docs: str
    document: str

    def add_to(self, router: web.UrlDispatcher) -> None:
        for path in (self.docs, f"{self.docs}/"):
            router.add_route("GET", path, self.page)
        for name in FILES:
            router.add_route("GET", f"{self.docs}/{name}", self.file)

    async def page(self, request: web.Request) -> web.Response:
        page = _PAGE.format(docs=self.docs, document=self.document)
        return web.Response(
            text=page, content_type="text/html", headers={"Content-Security-Policy": POLICY}
        )

    async def file(self, request: web.Request) -> web.FileResponse:
        name = request.path.rpartition("/")[2]
        return web.FileResponse(STATIC / name, headers={"Cache-Control": "max-age=3600"})
