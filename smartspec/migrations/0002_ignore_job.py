from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("smartspec", "0001_job_failures")]

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
