from credits.management.commands import expire_credits


class Command(expire_credits.Command):
    """Lots and holds of an account end in the order of time, so one command does what the other does."""

    help = "Release the holds (and end the lots) whose time is over now, without waiting for the sweeper."
