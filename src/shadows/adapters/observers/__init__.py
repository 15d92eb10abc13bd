"""Those who hear of what happens."""
