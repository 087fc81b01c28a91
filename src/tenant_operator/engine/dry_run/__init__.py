"""A dry run: the same engine, the same reconcilers, the same writers, with every write noted instead of sent."""
