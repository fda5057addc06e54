"""Writes the Grafana dashboard plazo.json beside this file: ``python -m deploy.grafana.generate``.

The first row shows whether the promises hold; the rows below show where the time goes. Every query
selects the cells, jobs and instances chosen at the top.
"""

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("plazo.json")
# Several jobs, such as live and shadow, can be seen together.
_JOBS = 'cell=~"$cell", job=~"$job"'
_OURS = f'{_JOBS}, instance=~"$instance"'
_SOURCE = {"type": "prometheus", "uid": "$datasource"}
_WIDTH = 24
_RUNBOOKS = "deploy/runbooks"
_WITHIN = 'le="60.0"'

Panel = dict[str, Any]


def _select(metric: str, more: str = "") -> str:
    return f"{metric}{{{_OURS}{', ' + more if more else ''}}}"


def _rate(metric: str, more: str = "") -> str:
    return f"rate({_select(metric, more)}[$__rate_interval])"


def _quantile(share: float, metric: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) ({_rate(metric + '_bucket')}))"


def _panel(
    kind: str, title: str, description: str, unit: str, width: int, *queries: tuple[str, str],
    red_above: float | None = None,
) -> Panel:  # fmt: skip
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if red_above is not None:
        steps.append({"color": "red", "value": red_above})
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": _SOURCE,
        "gridPos": {"w": width, "h": 4 if kind == "stat" else 8},
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "color": {"mode": "thresholds" if kind == "stat" else "palette-classic"},
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": {"colorMode": "background"} if kind == "stat" else {},
        "targets": [
            {"refId": chr(65 + n), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for n, (query, legend) in enumerate(queries)
        ],
    }


def _stat(title: str, description: str, unit: str, query: str, red_above: float) -> Panel:
    return _panel("stat", title, description, unit, 3, (query, ""), red_above=red_above)


def _graph(title: str, description: str, unit: str, *queries: tuple[str, str]) -> Panel:
    return _panel("timeseries", title, description, unit, 8, *queries)


def _row(title: str) -> Panel:
    return {"type": "row", "title": title, "gridPos": {"w": _WIDTH, "h": 1}, "panels": []}


PANELS = [
    _row("Do the promises hold?"),
    _stat("Longest overdue", "The oldest deadline past its grace without a verdict.", "s",
          f"max({_select('plazo_overdue_age_seconds')})", 60),
    _stat("Late verdicts", "Share issued later than 60 s after due + grace; 0.1 % is allowed.",
          "percentunit",
          f"1 - sum({_rate('plazo_lateness_seconds_bucket', _WITHIN)})"
          f" / sum({_rate('plazo_lateness_seconds_count')})", 0.001),
    _stat("Lanes held by a guard", "Due verdicts wait for a proof; Guards shows why.", "short",
          f"sum({_select('plazo_guard_held_lanes')})", 1),
    _stat("Held by the brake", "Auto-cancels that wait for a person.", "short",
          f"sum({_select('plazo_held_orders')})", 1),
    _stat("Outbox, oldest", "Age of the oldest unpublished verdict.", "s",
          f"max({_select('plazo_outbox_oldest_age_seconds')})", 60),
    _stat("Lanes halted", "Lanes that need a person.", "short",
          f"sum({_select('plazo_lanes_halted')})", 1),
    _stat("Oldest unread", "Age of the oldest unapplied record; it grows while a reader is stuck.",
          "s", f"max({_select('plazo_lag_seconds')})", 120),
    _stat("Parts not working", "Kafka, Postgres or the worker itself. Until it is repaired, other "
          "panels may show old values.", "short", f"sum(1 - {_select('plazo_ready')})", 1),
    _row("Decisions"),
    _graph("Verdicts", "Decisions per second, by kind and reason.", "ops",
           (f"sum by (kind, reason) ({_rate('plazo_decisions_total')})", "{{kind}} {{reason}}")),
    _graph("Outcomes", "Deadlines settled per second, by the state of the order.", "ops",
           (f"sum by (outcome) ({_rate('plazo_outcomes_total')})", "{{outcome}}")),
    _graph("Lateness", "From due + grace to the commit of the verdict.", "s",
           (_quantile(0.5, "plazo_lateness_seconds"), "p50"),
           (_quantile(0.99, "plazo_lateness_seconds"), "p99")),
    _row("Input"),
    _graph("Records", "Input records applied per second, by topic and outcome.", "ops",
           (f"sum by (topic, outcome) ({_rate('plazo_records_total')})", "{{topic}} {{outcome}}")),
    _graph("Lag in records", "Offsets not applied yet. A stuck reader may leave it unchanged: see "
           "the lag in time as well.", "short",
           (f"sum by (topic, partition) ({_select('plazo_lag_records')})",
            "{{topic}}/{{partition}}")),
    _graph("Lag in time", "Age of the oldest unapplied record.", "s",
           (f"max by (topic, partition) ({_select('plazo_lag_seconds')})",
            "{{topic}}/{{partition}}")),
    _graph("Dead letters", "Records refused per second, by class of error.", "ops",
           (f"sum by (error) ({_rate('plazo_dead_letters_total')})", "{{error}}")),
    _graph("Handed over", "Acts per second that arrived in another lane than their order: "
           "publishers use different partitioners.", "ops",
           (f"sum({_rate('plazo_handed_over_total')})", "acts")),
    _graph("Open deadlines", "Orders that wait for their deadline.", "short",
           (f"sum by (instance) ({_select('plazo_open_deadlines')})", "{{instance}}")),
    _row("What was not understood, and who waits"),
    _graph("Unknown statuses", "Acts per second with a word that no table knows: "
           "`plazo statuses --unknown`.", "ops",
           (f"sum by (topic) ({_rate('plazo_unknown_statuses_total')})", "{{topic}}")),
    _graph("Acts without an order", "Orders with acts and no order-created yet, those that "
           "wait for over an hour, and refused acts that name no order: `plazo orphans`.", "short",
           (f"max({_select('plazo_stub_orders')})", "stubs"),
           (f"max({_select('plazo_orphan_orders')})", "orphans"),
           (f"sum({_select('plazo_astray_refusals')})", "astray refusals")),
    _graph("Waiting for a person", "Refused records, holds, orphans, astray refusals, unknown "
           "words and escalated orders that nobody has settled: `plazo check` names the commands.",
           "short",
           (f"sum by (kind) ({_select('plazo_waiting_for_person')})", "{{kind}}")),
    _graph("Waiting orders", "Verdicts on hold by an event (`plazo deadlines held`), and orders "
           "whose clock has not started.", "short",
           (f"sum({_select('plazo_deadlines_on_hold')})", "on hold"),
           (f"max({_select('plazo_orders_waiting_for_clock')})", "no clock yet")),
    _graph("Delay of records", "Time of a record minus the time that it tells of. Acts that are "
           "later than the grace revoke verdicts.", "s",
           (_quantile(0.99, "plazo_record_delay_seconds", "topic, of"), "{{topic}} {{of}} p99"),
           (f"min({_select('plazo_grace_seconds')})", "grace")),
    _graph("Records lost", "Offsets per second that retention or truncation removed unread.", "ops",
           (f"sum by (topic) ({_rate('plazo_records_lost_total')})", "{{topic}}")),
    _graph("Clock skew", "Postgres' clock minus the worker's: verdicts wait for the slower.", "s",
           (f"{_select('plazo_clock_skew_seconds')}", "{{instance}}")),
    _row("Verdicts held"),
    _graph("Guards", "Lanes with due verdicts that a guard holds, by reason.", "short",
           (f"sum by (reason) ({_select('plazo_guard_held_lanes')})", "{{reason}}")),
    _graph("Proof", "From the probe of the end offsets to the proof that all is applied.", "s",
           (_quantile(0.5, "plazo_proof_seconds"), "p50"),
           (_quantile(0.99, "plazo_proof_seconds"), "p99")),
    _graph("Outbox", "Verdicts committed and not published yet.", "short",
           (f"sum by (lane) ({_select('plazo_outbox_pending')})", "lane {{lane}}")),
    _row("Time and resources"),
    _graph("Transactions", "Duration of a transaction, by kind.", "s",
           (_quantile(0.5, "plazo_transaction_seconds", "kind"), "{{kind}} p50"),
           (_quantile(0.99, "plazo_transaction_seconds", "kind"), "{{kind}} p99")),
    _graph("Connections to Postgres", "Connections by state, and the limit of the pool.", "short",
           (f"sum by (instance, state) ({_select('plazo_database_connections')})",
            "{{instance}} {{state}}"),
           (f"max by (instance) ({_select('plazo_database_connections_limit')})",
            "{{instance}} limit")),
    _graph("Database errors", "Errors per second, by kind.", "ops",
           (f"sum by (kind) ({_rate('plazo_database_errors_total')})", "{{kind}}")),
    _graph("Event loop", "Delay of the worker's event loop: how late it wakes a sleeper.", "s",
           (_quantile(0.99, "plazo_loop_delay_seconds", "instance"), "{{instance}} p99")),
    _graph("Lanes by worker", "Number of lanes that each worker owns.", "short",
           (f"{_select('plazo_lanes_owned')}", "{{instance}}")),
    _graph("Changes of ownership", "Rebalances, take-overs, fenced transactions, restarts.", "ops",
           (f"sum({_rate('plazo_rebalances_total')})", "rebalances"),
           (f"sum({_rate('plazo_lane_take_overs_total')})", "take-overs"),
           (f"sum({_rate('plazo_lane_fenced_total')})", "fenced"),
           (f"sum({_rate('plazo_restarts_total')})", "restarts")),
]  # fmt: skip


def dashboard() -> dict[str, Any]:
    """The dashboard, with its panels laid out from left to right."""
    x = y = height = 0
    for number, panel in enumerate(PANELS, 1):
        place = panel["gridPos"]
        if x + place["w"] > _WIDTH:
            x, y = 0, y + height
        panel["id"] = number
        place.update(x=x, y=y)
        x, height = x + place["w"], place["h"]
    return {
        "uid": "plazo",
        "title": "Plazo",
        "tags": ["plazo"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "links": [
            {"title": "Runbooks", "type": "link", "icon": "doc", "targetBlank": True,
             "url": "$runbooks"},
            {"title": "Alerts", "type": "link", "icon": "bolt", "targetBlank": True,
             "url": "/alerting/list?search=Plazo"},
        ],
        "annotations": {"list": [_deployments()]},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Data source", "type": "datasource",
                 "query": "prometheus"},
                # Where your organisation publishes deploy/runbooks.
                {"name": "runbooks", "label": "Runbooks", "type": "textbox",
                 "query": _RUNBOOKS, "current": {"text": _RUNBOOKS, "value": _RUNBOOKS}},
                # Series without the label are those of an installation that is the only one.
                _variable("cell", "Cell", "label_values(plazo_build_info, cell)", every=".*"),
                _variable("job", "Job", 'label_values(plazo_build_info{cell=~"$cell"}, job)'),
                _variable("instance", "Instance",
                          f"label_values(plazo_build_info{{{_JOBS}}}, instance)"),
            ]
        },
        "panels": PANELS,
    }  # fmt: skip


def _deployments() -> dict[str, Any]:
    """A mark where a version or a schema appears that was not there five minutes before."""
    return {
        "name": "Deployments", "enable": True, "iconColor": "blue", "datasource": _SOURCE,
        "expr": f"count by (version, schema) (plazo_build_info{{{_JOBS}}}) unless "
                f"count by (version, schema) (plazo_build_info{{{_JOBS}}} offset 5m)",
        "step": "60s", "titleFormat": "{{version}}", "textFormat": "schema {{schema}}",
    }  # fmt: skip


def _variable(name: str, label: str, query: str, every: str = ".+") -> dict[str, Any]:
    # All that there is: a list of names could grow past the length of an address.
    chosen = {"text": ["All"], "value": ["$__all"]}
    return {
        "name": name, "label": label, "type": "query", "datasource": _SOURCE, "query": query,
        "refresh": 2, "multi": True, "includeAll": True, "allValue": every, "current": chosen,
        "sort": 1,
    }  # fmt: skip


if __name__ == "__main__":
    FILE.write_text(json.dumps(dashboard(), indent=1) + "\n")
