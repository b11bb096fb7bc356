from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("smartspec", "0002_job_locks")]

    operations = [
        migrations.AlterModelOptions(
            name="jobfailure",
            options={
                "permissions": (
                    ("retry_job", "Can start jobs of the queue again"),
                    ("ignore_job", "Can decide that a job of the queue is not tried again"),
                )
            },
        ),
    ]
