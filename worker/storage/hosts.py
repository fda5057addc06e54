"""Finds the primary among the hosts that the address of the database names."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import asyncpg

# Seconds after which the next host is asked as well. The driver would wait for the first one as
# long as for all together, so that a machine that is gone would hide those that answer.
_PATIENCE = 1.0

# The host does not serve, so that another one may. What a host that serves refuses, such as a
# password, the others would refuse too.
_NEXT = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.TargetServerAttributeNotMatched,
)


class Hosts:
    """The hosts of an address ``postgresql://user@one:5432,two:5432/database``.

    The one that was connected to last is asked first. Of several hosts only a primary serves,
    unless the address itself names ``target_session_attrs``.
    """

    def __init__(self, url: str) -> None:
        self._urls = _each(url)

    async def connect(self, _url: str = "", *, timeout: float = 10.0, **options: Any) -> Any:
        """Connect to the first host that serves; a pool calls it with the address again.

        Raises:
            asyncpg.TargetServerAttributeNotMatched: no host that answers is a primary.
            TimeoutError: nothing was found within ``timeout`` seconds.
            asyncpg.PostgresError, OSError: as the driver.
        """
        if len(self._urls) == 1:
            return await asyncpg.connect(self._urls[0], timeout=timeout, **options)
        trials: dict[asyncio.Task[Any], str] = {}
        found: Any = None
        try:
            async with asyncio.timeout(timeout):
                found, url = await _first(self._urls, trials, options)
        finally:
            for trial in trials:
                trial.add_done_callback(lambda one: _discard(one, found))
                trial.cancel()
        self._urls = [url, *(other for other in self._urls if other != url)]
        return found


async def _first(
    urls: list[str], trials: dict[asyncio.Task[Any], str], options: dict[str, Any]
) -> tuple[Any, str]:
    waiting = list(urls)
    running: set[asyncio.Task[Any]] = set()
    failures: list[BaseException] = []
    while waiting or running:
        if waiting:
            url = waiting.pop(0)
            trial = asyncio.create_task(asyncpg.connect(url, **options))
            trials[trial] = url
            running.add(trial)
        done, running = await asyncio.wait(
            running,
            timeout=_PATIENCE if waiting else None,
            return_when=asyncio.FIRST_COMPLETED,
        )
        for trial in done:
            failure = trial.exception()
            if failure is None:
                return trial.result(), trials[trial]
            if not isinstance(failure, _NEXT):
                raise failure
            failures.append(failure)
    # Of a dead primary and a standby, the standby's answer says more.
    failures.sort(key=lambda one: not isinstance(one, asyncpg.TargetServerAttributeNotMatched))
    raise failures[0]


def _discard(trial: "asyncio.Task[Any]", found: Any) -> None:
    """Close what came too late."""
    if not trial.cancelled() and trial.exception() is None and trial.result() is not found:
        trial.result().terminate()


def _each(url: str) -> list[str]:
    """One address for each host."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    each = hosts.split(",")
    if len(each) == 1:
        return [url]
    query = parse_qs(parts.query, keep_blank_values=True)
    query.setdefault("target_session_attrs", ["primary"])
    told = urlencode(query, doseq=True)
    return [parts._replace(netloc=f"{user}{at}{host}", query=told).geturl() for host in each]
