"""How fast media is with many people and many files: generated rows in a database of its own."""
