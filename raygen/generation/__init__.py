"""Ray Data actors write rows as shards, exactly once.

In reading order: `driver`, `request` (what is asked for), `actor` (who writes), `shards` (the plan),
`manifest`, `formats`, `hive` (partitions), `progress`, `verification`.
"""
