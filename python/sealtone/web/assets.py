"""What the browser is sent besides pages: the files that `make` builds from frontend/, never the same name twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).with_name("static")
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
}
_FOR_EVER = "public, max-age=31536000, immutable"


class AssetsMissing(Exception):
    """The files have not been built."""


class _File(NamedTuple):
    kind: str
    etag: str
    data: bytes
    packed: dict[str, bytes]


class Assets:
    """The built files, kept in memory."""

    def __init__(self, folder: Path = STATIC) -> None:
        """Reads them. Raises `AssetsMissing`."""
        try:
            self._names: dict[str, str] = json.loads((folder / "manifest.json").read_bytes())
        except OSError as error:
            raise AssetsMissing(
                "The files that the panel sends to browsers are missing. Build them: make frontend"
            ) from error
        self._files = {name: _read(folder / name) for name in self._names.values()}

    def url(self, name: str) -> str:
        """Where ``app.css`` is, for example."""
        return f"/static/{self._names[name]}"

    def answer(self, request: Request, name: str) -> Response:
        """The file, in the smallest form that the browser takes; 404 where there is none."""
        file = self._files.get(name)
        if file is None:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        headers = {"Cache-Control": _FOR_EVER, "ETag": file.etag, "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        accepted = {part.partition(";")[0].strip() for part in request.headers.get("accept-encoding", "").split(",")}
        data = file.data
        for encoding in ("br", "gzip"):
            if encoding in accepted and encoding in file.packed:
                data = file.packed[encoding]
                headers["Content-Encoding"] = encoding
                break
        return Response(data, headers={**headers, "Content-Type": file.kind})


def _read(path: Path) -> _File:
    packed = {}
    for encoding, suffix in (("br", ".br"), ("gzip", ".gz")):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            packed[encoding] = beside.read_bytes()
    kind = _TYPES.get(path.suffix, "application/octet-stream")
    return _File(kind, f'"{path.stem.rpartition("-")[2]}"', path.read_bytes(), packed)
