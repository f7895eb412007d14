"""The application: every area's pages and API, around them what keeps them safe."""

from __future__ import annotations

import asyncio
import contextlib
import pkgutil
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from sealtone import __version__
from sealtone.config import configured_database
from sealtone.net.control_client import ControlClient
from sealtone.store import Database
from sealtone.web import pages, problems
from sealtone.web.api import PREFIX, make_api
from sealtone.web.assets import Assets
from sealtone.web.i18n import Translations
from sealtone.web.metrics import Measured
from sealtone.web.parts import Parts
from sealtone.web.rendering import environment
from sealtone.web.security import Guard

_END_S = 1.0

Work = Callable[[Parts], Awaitable[None]]


def open_parts(folder: Path, templates: Path | None = None) -> Parts:
    """What requests share, for the data folder. Raises `StoreError`, `ConfigError`, `AssetsMissing`.

    `templates`: where compiled templates are kept between starts.
    """
    assets = Assets()
    return Parts(
        folder=folder,
        database=Database(folder, configured_database(folder)),
        control=ControlClient(folder),
        translations=Translations(),
        assets=assets,
        templates=environment(assets, templates),
    )


def make_app(parts: Parts) -> FastAPI:
    """The application over its parts, which it closes at its end."""
    areas = [*_modules(pages)]
    work = [run for area in areas if (run := getattr(area, "run", None)) is not None]

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(_worked(run, parts), name=run.__module__) for run in work]
        try:
            yield
        finally:
            await _ended(tasks)
            parts.close()

    app = FastAPI(
        title="Sealtone",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.parts = parts
    problems.install(app)
    app.add_middleware(Guard)
    app.add_middleware(Measured, figures=parts.figures)

    @app.get("/static/{name}", include_in_schema=False)
    async def static(request: Request, name: str) -> Response:
        return parts.assets.answer(request, name)

    for area in areas:
        for router in getattr(area, "routers", [area.router] if hasattr(area, "router") else []):
            app.include_router(router)
    app.mount(PREFIX, make_api(parts))
    return app


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.iter_modules(package.__path__):
        yield import_module(f"{package.__name__}.{found.name}")


async def _ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancels the tasks, again where one has missed it, and waits for all."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_END_S)


async def _worked(run: Work, parts: Parts) -> None:
    try:
        await run(parts)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        parts.log(f"error panel {run.__module__} has ended: {type(error).__name__}")
        raise
