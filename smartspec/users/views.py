"""/api/me, /api/keys and the link from the app to the account pages."""

from typing import Any, ClassVar
from uuid import UUID

from allauth.headless.account.views import ManageEmailView
from allauth.headless.base.response import AuthenticationResponse
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from smartspec import backoffice, clock
from smartspec.api import Endpoint, IsUserSession, caller, read_body
from smartspec.users import selectors, serializers, services


class MeView(Endpoint):
    permissions_by_method: ClassVar[dict[str, type[BasePermission]]] = {"DELETE": IsUserSession}

    @extend_schema(operation_id="get_me", responses=serializers.MeSerializer)
    def get(self, request: Request) -> Response:
        """Who I am, and what my plan allows."""
        user = caller(request)
        entitlements = selectors.get_entitlements(user=user, now=clock.now())
        me = {
            "id": user.id,
            "email": user.email,
            "name": user.name,
            "email_verified": selectors.has_verified_email(user),
            "plan": entitlements.plan,
            "features": entitlements.features,
            "created_at": user.created_at,
        }
        return Response(serializers.MeSerializer(me).data)

    @extend_schema(operation_id="delete_me", responses={204: None})
    def delete(self, request: Request) -> Response:
        """Forget me: my sessions and keys end now; my subscription, media and personal data go within minutes."""
        services.request_erasure(user=caller(request), now=clock.now())
        return Response(status=204)


class ExportView(Endpoint):
    permission_classes = (IsUserSession,)
    throttle_rate = "10/h"

    @extend_schema(operation_id="export_me", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request) -> StreamingHttpResponse:
        """Everything that is held about me, as one JSON document."""
        user, now = caller(request), clock.now()
        document = backoffice.write_everything(user=user, now=now)
        disposition = {
            "Content-Disposition": 'attachment; filename="smartspec-my-data.json"',
            "Cache-Control": "no-store",
        }
        return StreamingHttpResponse(document, content_type="application/json", headers=disposition)


class KeysView(Endpoint):
    permissions_by_method: ClassVar[dict[str, type[BasePermission]]] = {"POST": IsUserSession}
    throttle_rate = "60/m"

    @extend_schema(operation_id="list_keys", responses=serializers.KeyListSerializer)
    def get(self, request: Request) -> Response:
        """My API keys, newest first."""
        found = selectors.list_user_keys(user=caller(request))
        return Response(serializers.KeyListSerializer({"keys": found}).data)

    @extend_schema(
        operation_id="create_key",
        request=serializers.NewKeySerializer,
        responses={201: serializers.IssuedKeySerializer},
    )
    def post(self, request: Request) -> Response:
        """Make an API key. It is shown in this answer only."""
        wanted = read_body(request, serializers.NewKeySerializer)
        issued = services.create_user_key(user=caller(request), now=clock.now(), **wanted)
        shown = serializers.KeySerializer(issued.key).data | {"key": issued.secret}
        return Response(shown, status=201)


class KeyView(Endpoint):
    permission_classes = (IsUserSession,)

    @extend_schema(operation_id="delete_key", responses={204: None})
    def delete(self, request: Request, key_id: UUID) -> Response:
        """Revoke an API key of mine. It is refused from now on."""
        services.revoke_user_key(user=caller(request), key_id=key_id, now=clock.now())
        return Response(status=204)


class WebSessionView(Endpoint):
    permission_classes = (IsUserSession,)
    throttle_rate = "30/m"

    @extend_schema(
        operation_id="create_web_session",
        request=serializers.WebSessionSerializer,
        responses=serializers.WebSessionLinkSerializer,
    )
    def post(self, request: Request) -> Response:
        """A link that opens the account pages in the browser, signed in: once, within 60 seconds."""
        next_path = read_body(request, serializers.WebSessionSerializer).get("next", settings.LOGIN_REDIRECT_URL)
        token = services.create_web_session_link(user=caller(request), next_path=next_path, now=clock.now())
        path = reverse("open_web_session", kwargs={"token": token})
        return Response({"url": f"{settings.SITE_URL}{path}"})


class EmailView(ManageEmailView):
    """allauth's own, that says 401 to nobody: to them it would say that no verification is under way."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return AuthenticationResponse(request)
        return super().dispatch(request, *args, **kwargs)


def no_such_address(request: HttpRequest) -> HttpResponse:
    """Endpoints of allauth that this product has no use for."""
    raise Http404
