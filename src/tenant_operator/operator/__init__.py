"""Kopf's wiring and nothing else: events in, finalizers, probes, logs."""
