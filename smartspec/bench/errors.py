class BenchError(Exception):
    """Something that was to be measured did not work; the message is for a person."""
