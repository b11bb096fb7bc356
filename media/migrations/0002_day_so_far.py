"""Keep what a day has had so far on the account, and on record only days that are over: a change then writes no day."""

import datetime
from decimal import Decimal

from django.db import migrations, models
from django.db.models import Q

MOVE = """
    UPDATE media_storageaccount a SET
      day_byte_seconds = coalesce((
        SELECT d.byte_seconds FROM media_storageday d
         WHERE d.user_id = a.account_id AND d.billed_at IS NULL AND d.day_date = (a.metered_at AT TIME ZONE 'UTC')::date), 0),
      billed_until = coalesce((
        SELECT min(d.day_date) FROM media_storageday d WHERE d.user_id = a.account_id AND d.billed_at IS NULL),
        (a.metered_at AT TIME ZONE 'UTC')::date);
    DELETE FROM media_storageday d USING media_storageaccount a
     WHERE d.user_id = a.account_id AND d.billed_at IS NULL AND d.day_date = (a.metered_at AT TIME ZONE 'UTC')::date;
"""
MOVE_BACK = """
    INSERT INTO media_storageday (user_id, day_date, byte_seconds, paid_credits)
    SELECT a.account_id, (a.metered_at AT TIME ZONE 'UTC')::date, a.day_byte_seconds, 0
      FROM media_storageaccount a WHERE a.day_byte_seconds > 0;
"""


class Migration(migrations.Migration):
    dependencies = [("media", "0001_initial")]

    operations = [
        migrations.AddField(
            "storageaccount",
            "day_byte_seconds",
            models.DecimalField(
                max_digits=32, decimal_places=6, default=Decimal(0), help_text="of the day of metered_at, up to there"
            ),
        ),
        migrations.AddField(
            "storageaccount",
            "billed_until",
            models.DateField(default=datetime.date(1970, 1, 1), help_text="every day before it is billed"),
            preserve_default=False,
        ),
        migrations.AlterField(
            "storageaccount", "metered_at", models.DateTimeField(help_text="byte-seconds are counted up to here")
        ),
        migrations.RunSQL(MOVE, MOVE_BACK),
        migrations.RemoveConstraint("storageaccount", "media_storageaccount_carried_not_negative"),
        migrations.AddConstraint(
            "storageaccount",
            models.CheckConstraint(
                condition=Q(carried__gte=0, day_byte_seconds__gte=0), name="media_storageaccount_meter_not_negative"
            ),
        ),
    ]
