"""Pure: what should exist and what does, to ordered actions."""
