"""/api/media/…: a person's files; workers upload for them."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from media import selectors, services
from media.serializers import (
    AssetAnswerSerializer,
    AssetPageSerializer,
    AssetQuerySerializer,
    AssetsQuerySerializer,
    CompletionSerializer,
    StorageUsageSerializer,
    UploadAnswerSerializer,
    UploadOrderSerializer,
)
from smartspec import clock
from smartspec.api import Endpoint, HasScope, IsUser, caller_id, read_body, read_query
from smartspec.users import keys
from smartspec.users.models import User

MayUpload = IsUser | HasScope(keys.MEDIA)


class AssetsView(Endpoint):
    permissions_by_method: ClassVar[dict[str, Any]] = {"POST": MayUpload}
    key_scope = keys.MEDIA

    @extend_schema(operation_id="list_assets", parameters=[AssetsQuerySerializer], responses=AssetPageSerializer)
    def get(self, request: Request) -> Response:
        """My files, the newest first."""
        page = selectors.list_assets(user_id=caller_id(request), **read_query(request, AssetsQuerySerializer))
        return Response(AssetPageSerializer(page).data)

    @extend_schema(operation_id="create_asset", request=UploadOrderSerializer, responses={201: UploadAnswerSerializer})
    def post(self, request: Request) -> Response:
        """Announce a file. It is then sent straight to the bucket, as `upload` says, and completed."""
        order = read_body(request, UploadOrderSerializer)
        user_id = whose(request, order.pop("user_id", None), is_required=True)
        assert user_id is not None  # noqa: S101 - narrows the type; it was required
        upload = services.create_upload(user_id=user_id, now=clock.now(), **order)
        return Response(UploadAnswerSerializer(upload).data, status=201)


class AssetView(Endpoint):
    key_scope = keys.MEDIA

    @extend_schema(operation_id="get_asset", parameters=[AssetQuerySerializer], responses=AssetAnswerSerializer)
    def get(self, request: Request, asset_id: str) -> Response:
        """One of my files, with a fresh URL."""
        query = read_query(request, AssetQuerySerializer)
        asset = selectors.find_asset(asset_id=asset_id, user_id=caller_id(request))
        if asset is None or asset.ended_at is not None:
            raise services.UnknownAsset
        return Response(AssetAnswerSerializer({"asset": asset}, context=query).data)

    @extend_schema(operation_id="delete_asset", request=None, responses={204: None})
    def delete(self, request: Request, asset_id: str) -> Response:
        """Delete one of my files, here and in the bucket."""
        services.delete_asset(asset_id=asset_id, user_id=caller_id(request), now=clock.now())
        return Response(status=204)


class CompletionView(Endpoint):
    permission_classes = (MayUpload,)
    key_scope = keys.MEDIA

    @extend_schema(operation_id="complete_asset", request=CompletionSerializer, responses=AssetAnswerSerializer)
    def post(self, request: Request, asset_id: str) -> Response:
        """The file has been sent: look at what really lies in the bucket."""
        user_id = whose(request, read_body(request, CompletionSerializer).get("user_id"))
        asset = services.complete_upload(asset_id=asset_id, user_id=user_id, now=clock.now())
        return Response(AssetAnswerSerializer({"asset": asset}).data)


class UsageView(Endpoint):
    @extend_schema(operation_id="get_storage_usage", responses=StorageUsageSerializer)
    def get(self, request: Request) -> Response:
        """What my files occupy, and what a month of it costs."""
        usage = selectors.get_usage(user_id=caller_id(request), now=clock.now())
        return Response(StorageUsageSerializer(usage).data)


def whose(request: Request, user_id: UUID | None, *, is_required: bool = False) -> UUID | None:
    """Return whose file it is: a person's is their own; a worker says whose.

    :raises services.UnknownUser: a person names somebody else.
    :raises rest_framework.exceptions.ValidationError: a worker names nobody.
    """
    if isinstance(request.user, User):
        if user_id not in (None, request.user.pk):
            raise services.UnknownUser("There is no such user.")
        return request.user.pk
    if user_id is None and is_required:
        raise exceptions.ValidationError({"user_id": exceptions.ErrorDetail("Say whose file it is.", "required")})
    return user_id
