"""Checks of the machine, of the database server, of the portal's own parts and of how people get in. `HEALTH_CHECKS` names them."""

from apps.monitoring.health.access import second_factor
from apps.monitoring.health.databases import bloat, connections, replication, transactions, wal
from apps.monitoring.health.logs import logs
from apps.monitoring.health.machine import certificates, clock, descriptors, disk, memory, network, processor
from apps.monitoring.health.parts import (
    broker,
    cache_round_trip,
    database,
    jobs,
    mail,
    migrations,
    scheduler,
    schedules,
    watch,
    worker,
)
from apps.monitoring.health.security import audit_record, keyring_state, privacy_requests, retention_kept

__all__ = [
    "audit_record",
    "bloat",
    "broker",
    "cache_round_trip",
    "certificates",
    "clock",
    "connections",
    "database",
    "descriptors",
    "disk",
    "jobs",
    "keyring_state",
    "logs",
    "mail",
    "memory",
    "migrations",
    "network",
    "privacy_requests",
    "processor",
    "replication",
    "retention_kept",
    "scheduler",
    "schedules",
    "second_factor",
    "transactions",
    "wal",
    "watch",
    "worker",
]
