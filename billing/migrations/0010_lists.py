from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # large tables go on being written to meanwhile

    dependencies = [("billing", "0009_one_change_at_a_time")]

    operations = [
        AddIndexConcurrently(
            model_name="customer", index=models.Index(fields=["-created_at", "id"], name="customer_newest")
        ),
        AddIndexConcurrently(
            model_name="paidinvoice",
            index=models.Index(fields=["billing_reason", "-paid_at", "id"], name="paid_invoice_by_reason"),
        ),
        AddIndexConcurrently(
            model_name="planchange", index=models.Index(fields=["-created_at", "id"], name="plan_change_newest")
        ),
        AddIndexConcurrently(
            model_name="purchase", index=models.Index(fields=["state", "-created_at", "id"], name="purchase_by_state")
        ),
        AddIndexConcurrently(
            model_name="refund", index=models.Index(fields=["status", "-created_at", "id"], name="refund_by_status")
        ),
        AddIndexConcurrently(
            model_name="subscription",
            index=models.Index(fields=["status", "-created_at", "id"], name="subscription_by_status"),
        ),
        AddIndexConcurrently(
            model_name="subscription",
            index=models.Index(
                fields=["-created_at", "id"], condition=models.Q(is_surplus=True), name="subscription_surplus"
            ),
        ),
        AddIndexConcurrently(
            model_name="subscriptioncheckout",
            index=models.Index(fields=["-created_at", "id"], name="subscription_checkout_newest"),
        ),
        AddIndexConcurrently(
            model_name="subscriptioncheckout",
            index=models.Index(fields=["state", "-created_at", "id"], name="subscription_checkout_by_state"),
        ),
        AddIndexConcurrently(
            model_name="webhook", index=models.Index(fields=["event_type", "-trigger"], name="webhook_by_type")
        ),
        AddIndexConcurrently(
            model_name="webhook",
            index=models.Index(
                fields=["-trigger"], condition=models.Q(ignored_at__isnull=False), name="webhook_ignored"
            ),
        ),
        # dj-stripe's own table: what the mirror has still to do, or could not.
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS webhook_not_mirrored ON djstripe_webhookeventtrigger (id)"
            " WHERE NOT processed",
            "DROP INDEX CONCURRENTLY IF EXISTS webhook_not_mirrored",
        ),
    ]
