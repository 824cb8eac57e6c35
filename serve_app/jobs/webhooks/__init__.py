"""Webhooks: rows that are written with the job's own, and delivered at least once, in order per job."""
