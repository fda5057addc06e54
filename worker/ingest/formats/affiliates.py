"""The two ids of a VTEX order: that of the marketplace, and that in the account of its seller.

A seller's account puts the affiliate of the marketplace before the marketplace's id, as in
``SLR-v40484048naf-01``. Plazo knows an order by the marketplace's id.
"""

import re
from dataclasses import dataclass
from typing import Final

from schemas.events import RefusalClass
from worker.ingest.parse_errors import RefusalError
from worker.settings import Settings

# The marketplace as its own seller.
_ITSELF: Final = "00"
_AFFILIATE = re.compile(r"([A-Z]{3})-(.*-[0-9]{2})")


@dataclass(frozen=True, slots=True)
class Affiliates:
    """The affiliates under which sellers know the marketplace; empty is unknown."""

    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Settings) -> "Affiliates":
        """Return those of the settings."""
        return cls(settings.affiliates)

    def order_id(self, field: str, given: str) -> str:
        """Return the marketplace's id of an order.

        Raises:
            RefusalError: the id begins like an affiliate's, and no affiliate is known. It may be
                either id.
        """
        prefix, _, rest = given.partition("-")
        if rest and (prefix == _ITSELF or prefix in self.names):
            return rest
        if not self.names and _AFFILIATE.fullmatch(given):
            message = f"{field}: begins like an affiliate's; PLAZO_VTEX_AFFILIATES names none"
            raise RefusalError(RefusalClass.INVALID, message)
        return given

    def aliases(self, given: str) -> tuple[str, ...]:
        """Return the ids that the order of this id may have too: of a refused record, to shield."""
        prefix, _, rest = given.partition("-")
        if rest and (prefix == _ITSELF or prefix in self.names):
            return (rest,)
        guessed = _AFFILIATE.fullmatch(given)
        return (guessed[2],) if guessed and not self.names else ()
