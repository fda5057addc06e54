"""The planted faults, by the package of the worker that they are planted in."""

from . import decide, domain, freshness, ingest, lanes, models, outbox
from .not_caught_yet import NOT_CAUGHT_YET as NOT_CAUGHT_YET

PLANTED = (
    *ingest.PLANTED,
    *lanes.PLANTED,
    *freshness.PLANTED,
    *domain.PLANTED,
    *decide.PLANTED,
    *outbox.PLANTED,
    *models.PLANTED,
)
