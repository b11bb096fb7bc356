"""Let a worker see at once whether a job's lock is free.

The queue asks of every job that it might take whether another with the same lock runs or stands before it, and has no
index that answers: with 40,000 jobs behind an outage one question took more than a second.
"""

from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY: the queue is never locked

    dependencies = [
        ("smartspec", "0001_job_failures"),
        ("procrastinate", "0041_post_retry_failed_job"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS job_locks ON procrastinate_jobs (lock, priority DESC, id)"
            " WHERE status IN ('todo', 'doing')",
            "DROP INDEX CONCURRENTLY IF EXISTS job_locks",
        ),
    ]
