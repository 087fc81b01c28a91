"""Requests to tenants through the simulated AWS, as their customers send them."""
