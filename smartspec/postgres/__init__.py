"""The database's backend (ENGINE): Django's own for Postgres, and a deadline for whoever waits for an answer."""
