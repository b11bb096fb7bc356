"""What the API's document says of Stripe's webhook, which is no view of DRF."""

from typing import Any

from smartspec.api import PROBLEM_TYPE

SIGNATURE = {
    "type": "apiKey",
    "in": "header",
    "name": "Stripe-Signature",
    "description": "Stripe's signature of the raw body, made with the secret of the webhook's endpoint.",
}
RECEIVED = {
    "type": "object",
    "properties": {"received": {"type": "boolean"}},
    "required": ["received"],
}
PROBLEM = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
WEBHOOK = {
    "operationId": "receive_stripe_webhook",
    "description": "An event of Stripe's: stored, answered, and then worked on. What is not proved to be one is 400.",
    "tags": ["webhooks"],
    "security": [{"stripe": []}],
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
    "responses": {
        "200": {"description": "", "content": {"application/json": {"schema": RECEIVED}}},
        "default": {"description": "", "content": PROBLEM},
    },
}


def add_webhook(result: dict[str, Any], **context: Any) -> dict[str, Any]:
    """Add the webhook to the document (SPECTACULAR_SETTINGS names it as a hook)."""
    result["paths"] = dict(sorted((result["paths"] | {"/api/webhooks/stripe": {"post": WEBHOOK}}).items()))
    result["components"]["securitySchemes"]["stripe"] = SIGNATURE
    return result
