"""Which table may keep what of an erased person, and which part of the export holds what a table has of somebody."""

# Where the erased person's id, which says nothing of her, stays: the books, and that she was erased. A new table that
# names people is not among them: either its app's eraser takes the rows away, or it is named here, with its reason.
BOOKS = {
    "users_user": "the anonymous row that the books hang on",
    "users_erasure": "that it was done, and when",
    "users_ratecount": "how often she called, by her id, until the window of a minute ends",
    "django_admin_log": "what staff did, and to which row",
    "credits_account": "the ledger",
    "credits_entry": "the ledger",
    "credits_entrytotal": "the ledger",
    "credits_grant": "the ledger",
    "credits_hold": "the ledger",
    "credits_keyrecord": "the ledger: each key gives its first answer again",
    "credits_usageday": "the ledger",
    "billing_customer": "whose payments Stripe's are",
    "billing_purchase": "what was sold",
    "billing_subscription": "what was sold",
    "billing_subscriptioncheckout": "what was offered",
    "billing_refund": "money that went back",
    "billing_dispute": "money that went back",
    "billing_webhook": "which event was worked on",
    "djstripe_webhookeventtrigger": "events without her person, for as long as SMARTSPEC_WEBHOOKS_KEPT_DAYS",
    "billing_planchange": "what was sold",
    "billing_reconcilerun": "where our books and Stripe's differed, by ids",
    "credits_adjustment": "corrections of the ledger",
    "credits_freeallowanceaddress": "that her address had Free's credits, as a keyed hash",
    "media_asset": "which storage was charged, without a name",
    "media_assetcount": "which storage was charged",
    "media_storageday": "which storage was charged",
    "media_storageevent": "why files were deleted, or would have been",
    "procrastinate_jobs": "a job that was given up, by ids, until somebody has seen to it",
    "users_staffaction": "what staff did",
    "media_storageaccount": "which storage was charged",
}

# Which part of the export holds what a table has of her, or why the export leaves it out. A new table that names people
# is in neither: its app exports it, or it is named here.
EXPORTED = {
    "users_user": "person",
    "account_emailaddress": "email_addresses",
    "usersessions_usersession": "devices",
    "users_apikey": "api_keys",
    "users_loginplace": "log_in_places",
    "users_sentmail": "mails",
    "credits_account": "account",
    "credits_entry": "transactions",
    "credits_grant": "lots",
    "credits_hold": "holds",
    "credits_usageday": "usage",
    "billing_purchase": "purchases",
    "billing_subscription": "subscriptions",
    "billing_refund": "refunds",
    "billing_dispute": "disputes",
    "billing_customer": "stripe_customer",
    "billing_webhook": "webhooks",
    "billing_paidinvoice": "invoices",
    "billing_planchange": "plan_changes",
    "credits_adjustment": "corrections",
    "media_asset": "files",
    "media_storageday": "storage_days",
    "media_storageevent": "storage_events",
    "mfa_authenticator": "second_factors",
    "users_staffaction": "actions_of_staff",
}
LEFT_OUT = {
    "users_ratecount": "how often she called in the last minutes",
    "django_session": "secrets: whoever has one is her",
    "django_admin_log": "work of staff on a row that is exported",
    "credits_entrytotal": "sums of what is exported",
    "credits_keyrecord": "answers to workers, about holds that are exported",
    "billing_subscriptioncheckout": "offers that led to a subscription, or to nothing",
    "billing_clawback": "which grant paid for a refund or dispute, both exported",
    "billing_reconcilerun": "comparisons of what is exported",
    "credits_freeallowanceaddress": "a keyed hash of the address that is exported",
    "djstripe_webhookeventtrigger": "messages about what is exported as Stripe's copy",
    "media_assetcount": "sums of what is exported",
    "media_storageaccount": "sums of what is exported",
    "procrastinate_jobs": "work under way",
    "smartspec_jobfailure": "work that failed",
    "users_supportview": "that staff read her pages just now; that they did is exported",
    **dict.fromkeys(("users_user_groups", "users_user_user_permissions"), "rights of staff, which she once was"),
    "users_waitingmail": "mails on their way; that they were written is exported",
    "users_websessionlink": "secrets: whoever has one is her",
    "djstripe_event": "messages about what is exported as Stripe's copy",
    **{
        f"djstripe_{name}": "leads to no customer: our catalogue, our money, what we do not use at Stripe"
        for name in (
            *("activeentitlement", "applicationfeerefund", "balancetransaction", "bankaccount", "card", "coupon"),
            *("earlyfraudwarning", "feature", "file", "filelink", "issuing_authorization", "issuing_card"),
            *("issuing_cardholder", "issuing_dispute", "issuing_transaction", "payout", "price", "product"),
            *("productfeature", "promotioncode", "review", "scheduledqueryrun", "shippingrate", "taxcode", "taxrate"),
            *("transfer", "transferreversal", "verificationreport", "verificationsession"),
        )
    },
}

# Tables that can hold nothing about a person. A new table is in her life, or named here, with its reason.
NOBODYS = {
    **dict.fromkeys(
        ("auth_group", "auth_group_permissions", "auth_permission", "django_content_type", "django_migrations"),
        "what our code is and allows",
    ),
    **dict.fromkeys(("billing_package", "credits_plan", "credits_rate"), "the catalogue"),
    **dict.fromkeys(("billing_webhookrefusal", "credits_daytotal"), "counts over everybody"),
    **dict.fromkeys(("djstripe_account", "djstripe_accountv2", "djstripe_apikey"), "our own account at Stripe"),
    "djstripe_webhookendpoint": "our own endpoint at Stripe",
    "djstripe_upcominginvoice": "a preview, of which dj-stripe keeps nothing",
    "djstripe_countryspec": "what Stripe does in which country",
    "djstripe_idempotencykey": "of calls that dj-stripe makes, and we do not let it",
    "djstripe_djstripepaymentmethod": "an id of Stripe's and a type",
    **dict.fromkeys(
        (
            "djstripe_djstripeinvoicedefaulttaxrate",
            "djstripe_djstripeinvoiceitemtaxrate",
            "djstripe_djstripesubscriptionitemtaxrate",
        ),
        "which tax of an invoice, both by number",
    ),
    "cache": "how often an address tried to log in, for minutes; a mail address is there as a hash alone",
    "account_emailconfirmation": "never written: an address is confirmed by a code in the session, or a signed link",
    "procrastinate_events": "when which job began and ended",
    **dict.fromkeys(("procrastinate_workers", "procrastinate_periodic_defers"), "the queue's own"),
    **dict.fromkeys(("watching_alert", "watching_proof"), "what is wrong here, at most with an account's id"),
}

# Where the id of the customer that she was at Stripe stays, by which her payments are found there.
CUSTOMER_ID = {
    "billing_customer": "whose payments Stripe's are",
    "billing_subscription": "whose payments Stripe's are",
    "billing_webhook": "which event was worked on",
    "djstripe_webhookeventtrigger": "events without her person, for as long as SMARTSPEC_WEBHOOKS_KEPT_DAYS",
    "smartspec_jobfailure": "why a job failed, for as long as SMARTSPEC_JOBS_KEPT_DAYS",
}
