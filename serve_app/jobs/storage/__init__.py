"""Jobs on disk: tables, rows, leases, payloads, migrations."""
