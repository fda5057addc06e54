"""Checks of the schema registry, where one is set."""

from collections.abc import Iterator

from worker.operations.checks.model import Check, DecisionsSchemaFacts, RegistryFacts, Status
from worker.settings import Settings

_NAME = "schema of decisions"
# New fields are optional and the schema is open. Registries call that a new restriction.
_UNFIT_FOR_JSON = ("BACKWARD", "FULL")


def registry_checks(settings: Settings, facts: RegistryFacts) -> Iterator[Check]:
    """Whether the registry answers, has the worker's schemas, and takes that of decisions."""
    if not settings.schema_registry_urls:
        return
    if facts.fault is None:
        yield Check("schema registry", Status.OK, "it answers")
    else:
        yield Check(
            "schema registry", Status.FAULT, f"it does not serve us: {facts.fault}",
            "see PLAZO_SCHEMA_REGISTRY_URL and the identity beside it; lanes wait for schemas "
            "that they do not know yet",
        )  # fmt: skip
    if facts.decisions is not None:
        yield _of_decisions(settings, facts.decisions)


def _of_decisions(settings: Settings, facts: DecisionsSchemaFacts) -> Check:
    subject, waits = facts.subject, "; decisions wait for it, none is published"
    if facts.id is None and facts.refusal:
        return Check(
            _NAME, Status.FAULT, f"the registry refuses it as {subject}: {facts.refusal}{waits}",
            "if the subject is of other records, give the decisions a topic of their own; else "
            "set its compatibility as in the page on the schema registry",
        )  # fmt: skip
    if facts.id is None and facts.fault:
        return Check(
            _NAME, Status.FAULT, f"{subject}: {facts.fault}{waits}",
            "see the check before this one; the identity needs to read the subject, and to "
            "register there unless PLAZO_DECISIONS_SCHEMA=look-up",
        )  # fmt: skip
    if facts.id is None and settings.decisions_schema == "look-up":
        return Check(
            _NAME, Status.FAULT, f"it is not registered as {subject}{waits}",
            "register schemas/decision.avsc or decision.json, as `plazo assets` writes it, or set "
            "PLAZO_DECISIONS_SCHEMA=register",
        )  # fmt: skip
    found = f"{settings.decisions_encoding}, "
    found += f"id {facts.id} as {subject}" if facts.id else f"a worker will register it: {subject}"
    if settings.decisions_encoding == "json-schema" and facts.mode.startswith(_UNFIT_FOR_JSON):
        return Check(
            _NAME, Status.WARNING,
            f"{found}; the compatibility {facts.mode} would refuse the next version of Plazo",
            f"set the compatibility of {subject} to FORWARD_TRANSITIVE",
        )  # fmt: skip
    return Check(_NAME, Status.OK, found)
