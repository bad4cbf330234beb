"""How well did the motion follow: a tracker for the toy world, measures, statistics, a report."""
