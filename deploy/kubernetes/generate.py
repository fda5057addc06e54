"""Writes the alerts for component and chart: ``python -m deploy.kubernetes.generate``."""

from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent / "components/prometheus-rule/prometheus-rule.yaml"
RULES = Path(__file__).parents[1] / "prometheus/plazo.rules.yaml"
# A chart cannot read a file outside of itself.
CHART_RULES = Path(__file__).parents[1] / "helm/plazo/files/plazo.rules.yaml"


def prometheus_rule() -> dict[str, Any]:
    """The rules in the form of the Prometheus operator."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "plazo", "namespace": "plazo"},
        "spec": yaml.safe_load(RULES.read_text("utf-8")),
    }


if __name__ == "__main__":
    made = yaml.safe_dump(prometheus_rule(), sort_keys=False, allow_unicode=True, width=1000)
    FILE.write_text(f"# Generated from deploy/prometheus/plazo.rules.yaml.\n{made}", "utf-8")
    CHART_RULES.write_bytes(RULES.read_bytes())
