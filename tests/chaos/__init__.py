"""Mail while its servers are killed; see README.md."""
