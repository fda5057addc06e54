"""Faults in a model alone: of a statement, or of a client of Kafka."""

from tests.simulation.mutants.fault import (
    MODEL_OF_DECIDE,
    MODEL_OF_INGEST,
    MODEL_OF_NOTICES,
    PlantedFault,
)

PLANTED = (
    PlantedFault(
        "the brake's window ends at another reading of the clock than a sweep counts by",
        "never more auto-cancels within a window than the brake allows",
        25500,
        25478,
        (
            (
                "tests/simulation/statements/brake.py",
                "since = second - window",
                "since = tx.now() - window",
            ),
        ),
    ),
    PlantedFault(
        "last stable offset instead of high watermark",
        "no false cancel",
        600,
        56,
        (
            (
                "tests/simulation/kafka_clients.py",
                "return log.end\n\n    async",
                "return log.stable_end\n\n    async",
            ),
        ),
    ),
    PlantedFault(
        "a repeated order enters again",
        "each verdict once",
        600,
        18,
        (
            (
                MODEL_OF_INGEST,
                'row["lane"] is None\n            or (row["lane"] == lane',
                'True\n            or (row["lane"] == lane',
            ),
            (
                MODEL_OF_INGEST,
                'grace=None, held=False)\n        tx.put("orders", row["order_id"], row)\n        entered',
                'grace=None, held=False, finding=None)\n        tx.put("orders", row["order_id"], row)\n        entered',
            ),
        ),
    ),
    PlantedFault(
        "an order that waits not looked at for later acts",
        "a clock starts by what comes after its order",
        300,
        9,
        (
            (
                MODEL_OF_INGEST,
                'row["finding"] is not None or row["due"] is None or row["started_at"] is not None',
                'row["finding"] is not None or row["started_at"] is not None',
            ),
        ),
    ),
    PlantedFault(
        "notices taken that came meanwhile",
        "an act in a foreign lane takes effect",
        1000,
        49,
        (
            (
                MODEL_OF_NOTICES,
                '    return (yield from delete(tx, "notices", ids))',
                '    lanes = {tx.get("notices", one)["lane"] for one in ids}\n'
                '    newest = tx.database.tables["notices"].values()\n'
                '    ids = [row["id"] for row in newest if row["lane"] in lanes]\n'
                '    for one in ids:\n        tx.put("notices", one, None)\n    return len(ids)\n    yield',
            ),
        ),
    ),
    PlantedFault(
        "an order that was handled too late is kept like those handled in time",
        "the rule",
        300,
        98,
        (
            (
                MODEL_OF_DECIDE,
                'return validated and act["occurred_at"] <= order["due"]',
                "return validated",
            ),
        ),
    ),
    PlantedFault(
        "an order without stock is kept like those handled in time",
        "the rule",
        4000,
        562,
        ((MODEL_OF_DECIDE, ' in handling and act["stock_ok"] is not False', " in handling"),),
    ),
    PlantedFault(
        "a cancelled order is kept like those handled in time",
        "the rule",
        4000,
        906,
        (
            (
                MODEL_OF_DECIDE,
                'act in handled or act in starts or act["status"] in neutral for',
                "True for",
            ),
        ),
    ),
)
