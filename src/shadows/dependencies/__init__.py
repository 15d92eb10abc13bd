"""What tasks declare as defaults of their parameters, and how a run gets it."""
