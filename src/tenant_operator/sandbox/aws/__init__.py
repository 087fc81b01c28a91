"""A simulated AWS: moto's backends in one process, as strict and as alive as AWS where correctness depends on it.

`python -m tenant_operator.sandbox.aws --ready-file PATH` serves it on loopback. What each service refuses, and what
moves by itself over time, is listed with its AWS source and its test in docs/sandbox-conformance.md.
"""
