"""The roles of staff. What they may do follows after each app's migrations (smartspec/users/roles.py)."""

from typing import Any

from django.db import migrations

ROLES = ("Support", "Billing", "Auditor", "Admin")


def make_roles(apps: Any, schema_editor: Any) -> None:
    Group = apps.get_model("auth", "Group")
    if not Group.objects.filter(name="Admin").exists():
        Group.objects.filter(name="Administrators").update(name="Admin")  # its members keep their rights
    for name in ROLES:
        Group.objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0003_staff_actions"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="user",
            options={
                "permissions": (
                    ("end_session", "Can end a person's sessions"),
                    ("resend_verification", "Can send a verification code again"),
                    ("erase_user", "Can erase a person's data"),
                )
            },
        ),
        migrations.AlterModelOptions(
            name="apikey",
            options={"permissions": (("revoke_key", "Can revoke a person's API keys"),)},
        ),
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
