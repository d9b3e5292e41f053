"""Threads for what waits for blobs and logs: an object store that does not answer must not take those that ask the
database, or nobody could be let in and no poll be answered while it is away."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
_THREADS = ThreadPoolExecutor(32, "blobs and logs")


async def slowly(function: Callable[..., T], *arguments: Any) -> T:
    """Run it in one of these threads."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, function, *arguments)
