"""What is known of an experiment's models: what a server accepts, and how much an adapter changes."""

from __future__ import annotations

from harness.store.database import Store
from reports.rows import AdapterEffectRow, EndpointRow

SIDES = ("base", "candidate", "judge")
"""Whose server is on record by its side; any other is one of the bar, by its name."""


def put_endpoint(store: Store, endpoint: EndpointRow) -> None:
    """Put on record what a server was found to accept."""
    table = "endpoints" if endpoint.model in SIDES else "bar_endpoints"
    store.insert(table, [endpoint], replace=True)


def put_effect(store: Store, effect: AdapterEffectRow) -> None:
    """Put the effect of an experiment's adapter on record, in place of an earlier one."""
    store.insert("adapter_effects", [effect], replace=True)


def effect(store: Store, experiment_id: str) -> AdapterEffectRow | None:
    """How much the adapter changes; None where there is none, or it was not measured."""
    rows = store.fetch(AdapterEffectRow, "from v_adapter_effects where experiment_id = ?", [experiment_id])
    return rows[0] if rows else None
