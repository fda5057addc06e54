"""The machine and the interpreter that figures belong to."""

import os
import platform
import sysconfig
from pathlib import Path

from worker.ingest.plain import compiled


def machine() -> dict[str, str | int]:
    """What a reader must know to compare figures."""
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    profiled = "--enable-optimizations" in options
    return {
        "python": platform.python_version(),
        "build": "profile-guided" if profiled else "without profile-guided optimisation",
        "compiled_reader": compiled() is not None,
        "compiler": platform.python_compiler(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
