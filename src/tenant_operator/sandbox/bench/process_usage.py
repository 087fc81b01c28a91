"""CPU seconds and memory of a running process, from /proc.

https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html, https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_AFTER_NAME = 2  # the fields before it: pid and the name, which may hold spaces
_UTIME, _STIME = 14, 15  # as the manual numbers them, from 1
_KIB_PER_MIB = 1024


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """What a process has used since it was started.

    Attributes:
        cpu_seconds: user and system time of all its threads.
        rss_mib: memory that it holds now.
        peak_rss_mib: the most that it ever held.
    """

    cpu_seconds: float
    rss_mib: float
    peak_rss_mib: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Look at a process.

        Raises:
            FileNotFoundError: there is no such process.
        """
        folder = Path("/proc") / str(pid)
        after_name = (folder / "stat").read_text().rpartition(")")[2].split()
        ticks = sum(int(after_name[field - _AFTER_NAME - 1]) for field in (_UTIME, _STIME))
        status = dict(
            line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
        )
        return cls(
            cpu_seconds=ticks / os.sysconf("SC_CLK_TCK"),
            rss_mib=int(status["VmRSS"].split()[0]) / _KIB_PER_MIB,
            peak_rss_mib=int(status["VmHWM"].split()[0]) / _KIB_PER_MIB,
        )
