"""The brain: the cache of custom resources, the keyed queue, one reconciler per kind, the status writer."""
