from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # large tables go on being written to meanwhile

    dependencies = [("users", "0010_remove_second_factor")]

    operations = [
        AddIndexConcurrently(model_name="sentmail", index=models.Index(fields=["cause"], name="sent_mail_by_cause")),
        AddIndexConcurrently(
            model_name="staffaction",
            index=models.Index(fields=["action", "-created_at"], name="staff_action_by_action"),
        ),
        AddIndexConcurrently(
            model_name="staffaction",
            index=models.Index(fields=["reason", "-created_at"], name="staff_action_by_reason"),
        ),
        AddIndexConcurrently(
            model_name="staffaction", index=models.Index(fields=["reference_id"], name="staff_action_by_reference")
        ),
        AddIndexConcurrently(
            model_name="user",
            index=models.Index(fields=["-created_at"], condition=models.Q(is_staff=True), name="user_staff"),
        ),
        AddIndexConcurrently(
            model_name="user",
            index=models.Index(fields=["-created_at"], condition=models.Q(is_superuser=True), name="user_superuser"),
        ),
        AddIndexConcurrently(
            model_name="user",
            index=models.Index(fields=["-created_at"], condition=models.Q(is_active=False), name="user_deactivated"),
        ),
    ]
