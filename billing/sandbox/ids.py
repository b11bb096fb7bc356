"""Ids that look like Stripe's."""

import secrets
import string

ALPHABET = string.ascii_letters + string.digits

# prefix, what follows it at once, and how many random characters come after that
FORMS = {
    "account": ("acct_1", 15),
    "balance_transaction": ("txn_3", 23),
    "billing_portal.configuration": ("bpc_1", 23),
    "billing_portal.session": ("bps_1", 23),
    "charge": ("ch_3", 23),
    "checkout.session": ("cs_test_a1", 56),
    "coupon": ("", 8),
    "credit_note": ("cn_1", 23),
    "customer": ("cus_", 14),
    "customer_balance_transaction": ("cbtxn_1", 23),
    "discount": ("di_1", 23),
    "dispute": ("du_1", 23),
    "entitlements.feature": ("feat_test_", 14),
    "event": ("evt_1", 23),
    "invoice": ("in_1", 23),
    "invoice_payment": ("inpay_1", 23),
    "invoiceitem": ("ii_1", 23),
    "item": ("li_1", 23),
    "line_item": ("il_1", 23),
    "payment_intent": ("pi_3", 23),
    "payment_method": ("pm_1", 23),
    "price": ("price_1", 23),
    "product": ("prod_", 14),
    "product_feature": ("prodft_1", 23),
    "promotion_code": ("promo_1", 23),
    "refund": ("re_3", 23),
    "setup_intent": ("seti_1", 23),
    "subscription": ("sub_1", 23),
    "subscription_item": ("si_", 14),
    "subscription_schedule": ("sub_sched_1", 23),
    "tax_rate": ("txr_1", 23),
    "test_helpers.test_clock": ("clock_1", 23),
    "webhook_endpoint": ("we_1", 23),
}


def new_id(kind: str) -> str:
    """This will return a fresh id for an object of this kind."""
    prefix, length = FORMS[kind]
    return prefix + new_token(length)


def new_token(length: int) -> str:
    """This will return so many random letters and digits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def new_client_secret(object_id: str) -> str:
    return f"{object_id}_secret_{new_token(25)}"
