"""How the OpenAPI document describes the two ways of calling."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class BearerSessionScheme(OpenApiAuthenticationExtension):
    target_class = "smartspec.users.authentication.BearerSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "The session token of the desktop app (`meta.session_token` of sign-up and log-in).",
        }


class ServiceKeyScheme(OpenApiAuthenticationExtension):
    target_class = "smartspec.users.authentication.ServiceKeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Api-Key <key>`: a service's key, or a user's own.",
        }
