"""The verbs of a task's life: add, claim, run, settle, and the loop that turns them."""
