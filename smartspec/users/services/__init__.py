"""Writes about people: API keys, links that open the account pages, and what staff do."""

from smartspec.users.services.changes import delete_by_staff, save_by_staff
from smartspec.users.services.desk import (
    NoSecondFactor,
    NothingToVerify,
    UnknownSession,
    end_sessions_by_staff,
    find_own_key,
    hand_out_by_staff,
    read_verification,
    remove_second_factor_by_staff,
    resend_verification_by_staff,
    revoke_key_by_staff,
)
from smartspec.users.services.erasure import (
    StaffNotErased,
    enqueue_erasure,
    erase_by_staff,
    finish_erasure,
    request_erasure,
)
from smartspec.users.services.housekeeping import clear_expired
from smartspec.users.services.keys import (
    KEYS_PER_USER,
    FeatureNotInPlan,
    InvalidKey,
    IssuedKey,
    TooManyKeys,
    UnknownKey,
    create_service_key,
    create_user_key,
    require_api_access,
    revoke_service_key,
    revoke_user_key,
    use_key,
    warn_of_ending_keys,
)
from smartspec.users.services.languages import set_language
from smartspec.users.services.links import (
    WEB_SESSION_LINK_SECONDS,
    LinkUsedUp,
    create_web_session_link,
    use_web_session_link,
)
from smartspec.users.services.people import RIGHTS, change_person_by_staff, changeable_fields
from smartspec.users.services.places import note_log_in_place
from smartspec.users.services.second_factors import reencrypt_second_factors
from smartspec.users.services.staff import (
    NotPermitted,
    ReasonMissing,
    Staff,
    forbid_own,
    note_about,
    record_action,
    require_right,
)
from smartspec.users.services.viewing import VIEW_AS, end_view, find_view, view_as

__all__ = [
    "KEYS_PER_USER",
    "RIGHTS",
    "VIEW_AS",
    "WEB_SESSION_LINK_SECONDS",
    "FeatureNotInPlan",
    "InvalidKey",
    "IssuedKey",
    "LinkUsedUp",
    "NoSecondFactor",
    "NotPermitted",
    "NothingToVerify",
    "ReasonMissing",
    "Staff",
    "StaffNotErased",
    "TooManyKeys",
    "UnknownKey",
    "UnknownSession",
    "change_person_by_staff",
    "changeable_fields",
    "clear_expired",
    "create_service_key",
    "create_user_key",
    "create_web_session_link",
    "delete_by_staff",
    "end_sessions_by_staff",
    "end_view",
    "enqueue_erasure",
    "erase_by_staff",
    "find_own_key",
    "find_view",
    "finish_erasure",
    "forbid_own",
    "hand_out_by_staff",
    "note_about",
    "note_log_in_place",
    "read_verification",
    "record_action",
    "reencrypt_second_factors",
    "remove_second_factor_by_staff",
    "request_erasure",
    "require_api_access",
    "require_right",
    "resend_verification_by_staff",
    "revoke_key_by_staff",
    "revoke_service_key",
    "revoke_user_key",
    "save_by_staff",
    "set_language",
    "use_key",
    "use_web_session_link",
    "view_as",
    "warn_of_ending_keys",
]
