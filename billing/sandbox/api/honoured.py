"""What the sandbox plays of each call's parameters. Whatever else Stripe knows is refused by name, never dropped.

By stripe-python's class of the call. A name stands for all that is below it, `outer.inner` for that alone, and
`name=one|other` for these values alone: the ones that ask for what the sandbox does anyway.
"""

from functools import cache

PAGING = "limit starting_after ending_before"
FILTERS = f"{PAGING} created"
OWNERS = "customer customer_account"
NO_TAX = "automatic_tax.enabled=false"

CUSTOMER = """
    address balance description email invoice_prefix invoice_settings metadata name next_invoice_sequence phone
    preferred_locales shipping tax_exempt
"""
PRODUCT = """
    active description images marketing_features metadata name package_dimensions shippable statement_descriptor
    tax_code unit_label url
"""
PORTAL = """
    business_profile default_return_url login_page metadata name
    features.customer_update features.invoice_history features.payment_method_update.enabled
    features.subscription_cancel.enabled features.subscription_cancel.mode
    features.subscription_cancel.proration_behavior features.subscription_cancel.cancellation_reason.enabled
    features.subscription_cancel.cancellation_reason.options
    features.subscription_update.billing_cycle_anchor features.subscription_update.default_allowed_updates=price
    features.subscription_update.enabled features.subscription_update.products.product
    features.subscription_update.products.prices
    features.subscription_update.products.adjustable_quantity.enabled=false
    features.subscription_update.proration_behavior features.subscription_update.schedule_at_period_end
    features.subscription_update.trial_update_behavior
"""
INTENT = """
    amount currency customer description metadata payment_method receipt_email setup_future_usage shipping
    statement_descriptor statement_descriptor_suffix transfer_group capture_method=automatic|automatic_async
"""
RECURRING = "recurring.interval recurring.interval_count"
INVOICE = """
    auto_advance collection_method custom_fields days_until_due default_payment_method description due_date footer
    metadata statement_descriptor automatic_tax.enabled=false
"""
ITEM = "metadata plan price price_data quantity"
ITEM_CHANGE = f"{ITEM} payment_behavior proration_behavior proration_date"
TERMS = """
    cancel_at cancel_at_period_end collection_method days_until_due default_payment_method description discounts
    metadata off_session payment_behavior payment_settings.payment_method_types
    payment_settings.save_default_payment_method proration_behavior trial_end trial_settings
    automatic_tax.enabled=false
    items.metadata items.plan items.price items.price_data items.quantity
"""

HONOURED = {
    # Customers and how they pay
    "CustomerListParams": f"{FILTERS} email test_clock",
    "CustomerCreateParams": f"{CUSTOMER} payment_method test_clock",
    "CustomerModifyParams": CUSTOMER,
    "CustomerListBalanceTransactionsParams": f"{FILTERS} invoice",
    "CustomerCreateBalanceTransactionParams": "amount currency description metadata",
    "CustomerListPaymentMethodsParams": f"{PAGING} allow_redisplay type",
    "PaymentMethodListParams": f"{PAGING} {OWNERS} allow_redisplay type",
    "PaymentMethodCreateParams": """
        type metadata allow_redisplay card.number card.exp_month card.exp_year card.cvc card.token
        billing_details.address billing_details.email billing_details.name billing_details.phone
        us_bank_account.account_number us_bank_account.routing_number=110000000
        us_bank_account.account_holder_type=individual us_bank_account.account_type=checking
    """,
    "PaymentMethodModifyParams": """
        metadata allow_redisplay card.exp_month card.exp_year
        billing_details.address billing_details.email billing_details.name billing_details.phone
    """,
    "PaymentMethodAttachParams": "customer",
    "SetupIntentListParams": f"{FILTERS} {OWNERS} payment_method",
    "SetupIntentCreateParams": """
        automatic_payment_methods confirm customer description metadata payment_method payment_method_types return_url
        usage
    """,
    "SetupIntentConfirmParams": "payment_method return_url",
    "SetupIntentCancelParams": "cancellation_reason",
    # What is sold
    "ProductListParams": f"{FILTERS} active ids shippable type url",
    "ProductCreateParams": f"""
        {PRODUCT} id type=service default_price_data.currency default_price_data.metadata default_price_data.recurring
        default_price_data.tax_behavior default_price_data.unit_amount default_price_data.unit_amount_decimal
    """,
    "ProductModifyParams": f"{PRODUCT} default_price",
    "ProductListFeaturesParams": PAGING,
    "ProductCreateFeatureParams": "entitlement_feature",
    "entitlements.FeatureListParams": f"{PAGING} lookup_key",
    "entitlements.FeatureCreateParams": "lookup_key metadata name",
    "PriceListParams": f"{FILTERS} active currency lookup_keys product recurring type",
    "PriceCreateParams": f"""
        active billing_scheme=per_unit currency lookup_key metadata nickname product product_data {RECURRING}
        recurring.trial_period_days recurring.usage_type=licensed tax_behavior transfer_lookup_key unit_amount
        unit_amount_decimal
    """,
    "PriceModifyParams": "active lookup_key metadata nickname tax_behavior transfer_lookup_key",
    "CouponListParams": FILTERS,
    "CouponCreateParams": """
        amount_off applies_to currency duration duration_in_months id max_redemptions metadata name percent_off
        redeem_by
    """,
    "CouponModifyParams": "metadata name",
    "PromotionCodeListParams": f"{FILTERS} {OWNERS} active code coupon",
    "PromotionCodeCreateParams": """
        active code customer expires_at max_redemptions metadata promotion restrictions.first_time_transaction
        restrictions.minimum_amount restrictions.minimum_amount_currency
    """,
    "PromotionCodeModifyParams": "active metadata",
    # Checkout and the portal
    "checkout.SessionListParams": f"""
        {FILTERS} {OWNERS} customer_details payment_intent payment_link status subscription
    """,
    "checkout.SessionCreateParams": f"""
        mode success_url cancel_url client_reference_id currency customer customer_creation customer_email
        customer_update.address customer_update.name allow_promotion_codes discounts expires_at locale metadata
        origin_context payment_method_collection payment_method_types submit_type
        line_items.price line_items.price_data line_items.quantity line_items.metadata
        line_items.adjustable_quantity.enabled=false
        invoice_creation.enabled invoice_creation.invoice_data.custom_fields
        invoice_creation.invoice_data.description invoice_creation.invoice_data.footer
        invoice_creation.invoice_data.metadata
        payment_intent_data.description payment_intent_data.metadata payment_intent_data.receipt_email
        payment_intent_data.setup_future_usage payment_intent_data.capture_method=automatic|automatic_async
        setup_intent_data.description setup_intent_data.metadata
        subscription_data.description subscription_data.metadata subscription_data.trial_end
        subscription_data.trial_period_days subscription_data.trial_settings
        ui_mode=hosted_page billing_address_collection=auto adaptive_pricing.enabled=false {NO_TAX}
        managed_payments.enabled=false phone_number_collection.enabled=false tax_id_collection.enabled=false
        redirect_on_completion=always
    """,
    "checkout.SessionModifyParams": "metadata",
    "checkout.SessionListLineItemsParams": PAGING,
    "billing_portal.SessionCreateParams": """
        configuration customer locale return_url flow_data.type flow_data.after_completion.redirect
        flow_data.after_completion.type=redirect|portal_homepage
        flow_data.subscription_cancel.subscription flow_data.subscription_update.subscription
        flow_data.subscription_update_confirm.subscription flow_data.subscription_update_confirm.items
    """,
    "billing_portal.ConfigurationListParams": f"{PAGING} active is_default",
    "billing_portal.ConfigurationCreateParams": PORTAL,
    "billing_portal.ConfigurationModifyParams": f"{PORTAL} active",
    # Payments, and what comes back
    "PaymentIntentListParams": f"{FILTERS} {OWNERS}",
    "PaymentIntentCreateParams": f"""
        {INTENT} automatic_payment_methods confirm confirmation_method=automatic off_session payment_method_types
        return_url
    """,
    "PaymentIntentModifyParams": INTENT,
    "PaymentIntentConfirmParams": "off_session payment_method return_url capture_method=automatic|automatic_async",
    "PaymentIntentCancelParams": "cancellation_reason",
    "ChargeListParams": f"{FILTERS} customer payment_intent transfer_group",
    "ChargeModifyParams": "description metadata receipt_email shipping transfer_group",
    "RefundListParams": f"{FILTERS} charge payment_intent",
    "RefundCreateParams": "amount charge metadata payment_intent reason",
    "RefundModifyParams": "metadata",
    "DisputeListParams": f"{FILTERS} charge payment_intent",
    "DisputeModifyParams": "evidence metadata submit",
    "BalanceTransactionListParams": f"{FILTERS} currency payout source type",
    # Subscriptions
    "SubscriptionListParams": f"""
        {FILTERS} {OWNERS} automatic_tax collection_method current_period_end current_period_start plan price status
        test_clock
    """,
    "SubscriptionCreateParams": f"""
        {TERMS} customer billing_cycle_anchor billing_cycle_anchor_config billing_mode.type=flexible
        billing_mode.flexible.proration_discounts=included trial_period_days
    """,
    "SubscriptionModifyParams": f"""
        {TERMS} billing_cycle_anchor cancellation_details.comment cancellation_details.feedback items.clear_usage
        items.deleted items.id proration_date
    """,
    "SubscriptionCancelParams": "cancellation_details.comment cancellation_details.feedback invoice_now prorate",
    "SubscriptionResumeParams": "billing_cycle_anchor=now",
    "SubscriptionItemListParams": f"{PAGING} subscription",
    "SubscriptionItemCreateParams": f"{ITEM_CHANGE} subscription",
    "SubscriptionItemModifyParams": f"{ITEM_CHANGE} off_session",
    "SubscriptionItemDeleteParams": "clear_usage payment_behavior proration_behavior proration_date",
    "SubscriptionScheduleListParams": f"{FILTERS} {OWNERS} canceled_at completed_at released_at",
    "SubscriptionScheduleCreateParams": "from_subscription metadata",
    "SubscriptionScheduleModifyParams": f"""
        end_behavior metadata proration_behavior phases.currency phases.duration phases.end_date phases.metadata
        phases.proration_behavior phases.start_date {" ".join(f"phases.items.{name}" for name in ITEM.split())}
    """,
    "SubscriptionScheduleCancelParams": "invoice_now prorate",
    "SubscriptionScheduleReleaseParams": "",
    # Invoices
    "InvoiceListParams": f"{FILTERS} {OWNERS} collection_method due_date status subscription",
    "InvoiceCreateParams": f"{INVOICE} currency customer pending_invoice_items_behavior subscription",
    "InvoiceModifyParams": INVOICE,
    "InvoiceCreatePreviewParams": f"""
        customer discounts preview_mode=next subscription {NO_TAX}
        subscription_details.billing_cycle_anchor=now|unchanged
        subscription_details.cancel_at_period_end subscription_details.cancel_now subscription_details.items.clear_usage
        subscription_details.items.deleted subscription_details.items.id subscription_details.items.price
        subscription_details.items.plan subscription_details.items.price_data subscription_details.items.quantity
        subscription_details.proration_behavior subscription_details.proration_date subscription_details.trial_end=now
    """,
    "InvoiceFinalizeInvoiceParams": "auto_advance=false",
    "InvoicePayParams": "off_session paid_out_of_band payment_method",
    "InvoiceListLinesParams": PAGING,
    "InvoicePaymentListParams": f"{FILTERS} invoice payment status",
    "InvoiceItemListParams": f"{FILTERS} {OWNERS} invoice pending",
    "InvoiceItemCreateParams": """
        amount currency customer description invoice metadata period pricing quantity subscription unit_amount_decimal
    """,
    # The account itself, and time
    "EventListParams": f"{FILTERS} delivery_success type types",
    "WebhookEndpointListParams": PAGING,
    "WebhookEndpointCreateParams": "api_version connect=false description enabled_events metadata url",
    "WebhookEndpointModifyParams": "description disabled enabled_events metadata url",
    "test_helpers.TestClockListParams": PAGING,
    "test_helpers.TestClockCreateParams": "frozen_time name",
    "test_helpers.TestClockAdvanceParams": "frozen_time",
}


class Honoured:
    """What one call honours: whole names, parts of them, and names with the only values that they may have."""

    def __init__(self, text: str) -> None:
        entries = [entry.partition("=") for entry in text.split()]
        self.whole = {name for name, only, _ in entries if not only}
        self.values = {name: values.split("|") for name, only, values in entries if only}

    def plays(self, path: tuple[str, ...]) -> bool:
        """This will say whether a parameter, or some of what is below it, is honoured."""
        names = {".".join(path[: length + 1]) for length in range(len(path))}
        if names & self.whole:
            return True
        return any(name.startswith(f"{'.'.join(path)}.") for name in self.whole | self.values.keys()) or (
            ".".join(path) in self.values
        )

    def only_values(self, path: tuple[str, ...]) -> list[str] | None:
        """This will return the values that alone are honoured, None where all are."""
        return self.values.get(".".join(path))


@cache
def honoured(name: str) -> Honoured:
    """This will return what a call honours, by stripe-python's class of its parameters."""
    return Honoured(HONOURED[name])
