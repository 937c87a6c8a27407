"""From attempts to verdicts, gates and the finished model of a run."""
