"""The worker's metrics as plain numbers, as anybody sees them at /metrics."""

from prometheus_client import CollectorRegistry

Samples = dict[tuple[str, frozenset[str]], float]


def scrape(registry: CollectorRegistry) -> Samples:
    """Every sample by its name and the values of its labels."""
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def total(samples: Samples, name: str) -> float:
    """The sum over all labels."""
    return sum(value for (found, _), value in samples.items() if found == name)
