"""Input at the door, files and processes: numbers and labels checked, atomic writes, locks, strict CSV, progress."""
