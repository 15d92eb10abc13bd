"""A module that cannot be imported: what a store needs is missing."""

raise OSError("the disk is full")
