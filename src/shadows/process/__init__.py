"""A worker's whole process: what it serves, which signals it heeds, and how it ends."""
