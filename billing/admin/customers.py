"""Who our users are at Stripe."""

from django.contrib import admin

from billing.models import Customer
from smartspec.admin import ReadOnlyAdmin, UserSearchMixin, column, user_column


@admin.register(Customer)
class CustomerAdmin(UserSearchMixin, ReadOnlyAdmin):
    search_fields = ("id",)
    person = user_column()
    customer = column(lambda customer: customer.pk, "Customer")
    list_display = (customer, person, "created_at")
    list_select_related = ("user",)
    ordering = ("-created_at", "id")
    fields = ("id", "former_ids", person, "created_at", "state_version")
