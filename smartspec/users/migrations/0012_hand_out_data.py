from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0011_lists"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="user",
            options={
                "permissions": (
                    ("end_session", "Can end a person's sessions"),
                    ("resend_verification", "Can send a verification code again"),
                    ("erase_user", "Can erase a person's data"),
                    ("view_as_person", "Can read the account pages of a person"),
                    ("remove_second_factor", "Can remove a lost second factor"),
                    ("hand_out_data", "Can take along everything that is held about a person"),
                )
            },
        ),
    ]
