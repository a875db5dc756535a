"""How much memory a process has held at most, so that a run can say what it needs."""

from pathlib import Path


def peak_bytes(*children: int | None) -> int:
    """The most that this process has held resident since it started, and each of its `children`, in all.

    Pages that are shared count in each. What `resource.getrusage` gives instead may be the peak of the process that
    started this one: Linux hands it on. 0 on a system without /proc; a child that is gone counts nothing.
    """
    return _peak("self") + sum(_peak(str(pid)) for pid in children if pid is not None)


def _peak(process: str) -> int:
    try:
        lines = Path("/proc", process, "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
