"""Files on their way through the areas of a project, and the journals that make every step repeatable."""
