"""Waiting for a condition, not for a time."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any


async def eventually(
    predicate: Callable[[], object],
    timeout: float = 30.0,
    message: str = "",
    *,
    interval: float = 0.05,
) -> Any:
    """Ask again and again until the answer (awaited if it can be) is true, and return it.

    ``AssertionError`` after ``timeout`` seconds, with the last answer. What the predicate raises
    ends the wait, except ``AssertionError``, which counts as "not yet" and is chained.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        failure: AssertionError | None = None
        answer: object = None
        try:
            result = predicate()
            value = await result if inspect.isawaitable(result) else result
            if value:
                return value
            answer = value
        except AssertionError as error:
            failure = error
        if loop.time() >= deadline:
            text = message or getattr(predicate, "__qualname__", repr(predicate))
            last = f"last answer: {answer!r}" if failure is None else f"last failure: {failure}"
            raise AssertionError(f"not within {timeout} s: {text} ({last})") from failure
        await asyncio.sleep(interval)
