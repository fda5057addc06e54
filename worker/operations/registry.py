"""Asks the schema registry for `plazo check`."""

from importlib.util import find_spec

from worker.operations.checks.model import DecisionsSchemaFacts, RegistryFacts
from worker.outbox.decision_schema import subject_of
from worker.outbox.encoding import schema_of
from worker.registry.client import (
    RegistryAway,
    RegistryClient,
    SchemaNotTaken,
    SchemaText,
    SchemaUnknown,
)
from worker.settings import Settings


async def registry_facts(settings: Settings) -> RegistryFacts:
    """Whether the registry of the settings can be used, and has the schema of decisions.

    Each URL is asked, though the worker needs only one of them.
    """
    if not settings.schema_registry_urls:
        return RegistryFacts()
    if find_spec("fastavro") is None:
        return RegistryFacts("plazo[registry] is not installed")
    faults = []
    for url in settings.schema_registry_urls:
        client = RegistryClient(settings.model_copy(update={"schema_registry_url": url}))
        try:
            await client.probe()
        except RegistryAway as error:
            faults.append(f"{url}: {error}")
        finally:
            await client.close()
    text = schema_of(settings)
    return RegistryFacts(
        "; ".join(faults) or None, None if text is None else await _decisions(settings, text)
    )


async def _decisions(settings: Settings, text: SchemaText) -> DecisionsSchemaFacts:
    """What the registry says of the schema of decisions; nothing is registered."""
    client, facts = RegistryClient(settings), DecisionsSchemaFacts(subject_of(settings))
    try:
        try:
            facts.id = await client.look_up(facts.subject, text)
        except SchemaUnknown:
            facts.refusal = await client.refusal(facts.subject, text)
        facts.mode = await client.compatibility(facts.subject)
    except SchemaNotTaken as error:
        facts.refusal = str(error)
    except RegistryAway as error:
        facts.fault = str(error)
    finally:
        await client.close()
    return facts
