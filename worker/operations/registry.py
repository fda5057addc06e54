"""Asks the schema registry for `plazo check`."""

from importlib.util import find_spec

from worker.registry.client import RegistryAway, RegistryClient
from worker.settings import Settings


async def fault_of_registry(settings: Settings) -> str | None:
    """The reason why the registry of the settings cannot be used; ``None`` if it can, or if unset.

    Each URL is asked, though the worker needs only one of them.
    """
    if not settings.schema_registry_urls:
        return None
    if find_spec("fastavro") is None:
        return "plazo[registry] is not installed"
    faults = []
    for url in settings.schema_registry_urls:
        client = RegistryClient(settings.model_copy(update={"schema_registry_url": url}))
        try:
            await client.probe()
        except RegistryAway as error:
            faults.append(f"{url}: {error}")
        finally:
            await client.close()
    return "; ".join(faults) or None
