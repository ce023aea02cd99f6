"""Files and processes: atomic writes, locks, strict CSV, the folder of a run, progress."""
