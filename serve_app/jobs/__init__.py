"""Jobs: work that is a row before it is acknowledged, and ends exactly once whatever dies in between."""
