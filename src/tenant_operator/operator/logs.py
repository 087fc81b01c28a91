"""Logging: one line a record, as text for people or as JSON for collectors."""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
QUIET = ("botocore", "urllib3", "kubernetes", "aiohttp", "asyncio")
"""Libraries whose debug logs may show request bodies (and so secrets): never below INFO."""


def configure(format_: str, level: str) -> None:
    """Log to standard error. `format_`: `text` or `json`; `level`: a level's name."""
    handler = logging.StreamHandler(sys.stderr)
    if format_ == "json":
        fields = "%(asctime)s %(levelname)s %(name)s %(message)s"
        handler.setFormatter(
            JsonFormatter(fields, rename_fields={"asctime": "time", "levelname": "level", "name": "logger"})
        )
    else:
        handler.setFormatter(logging.Formatter(TEXT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    logging.getLogger("kopf").setLevel(max(logging.INFO, root.level))
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
