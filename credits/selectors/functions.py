"""The ledger's functions as the database has them."""

from django.db import connection

from credits import sql

INSTALLED = """
SELECT proname, prosrc, prosecdef, coalesce('search_path=public, pg_temp' = ANY (proconfig), false)
  FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND proname = ANY (%s)
"""


def list_other_functions() -> list[str]:
    """Return the functions that the database lacks, or has otherwise than the files of this version say."""
    names = [f"credits_{name}" for name in sql.FUNCTIONS]
    with connection.cursor() as cursor:
        cursor.execute(INSTALLED, [names])
        installed = {name: tuple(rest) for name, *rest in cursor.fetchall()}
    return [name for name in names if installed.get(name) != _as_written(sql.read(name.removeprefix("credits_")))]


def _as_written(text: str) -> tuple[str, bool, bool]:
    """Return a file's body, whether it works in its owner's name, and whether it then looks at our schema alone."""
    is_definer = "SECURITY DEFINER" in text
    return text.split("$$")[1], is_definer, is_definer
