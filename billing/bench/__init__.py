"""How fast the back-office is with many people: generated data in a database of its own, and pages asked for in it."""
