"""What every bench stands on: a load generator, the web server as it runs in production, charts."""
