"""Fill an empty pretix for a run. Runs in pretix's own environment, which has that package and not ours.

Reads {"tickets", "devices"} from standard input; makes, through pretix's own models, one organizer with one event, one
product, one check-in list, that many scanning devices and that many paid orders of one ticket each. The last line that
it writes is {"organizer", "list", "tokens", "secrets"}.
"""

from __future__ import annotations

import datetime
import json
import sys
from decimal import Decimal
from typing import Any

import django  # type: ignore[import-not-found,unused-ignore]

django.setup()

from django.utils.crypto import get_random_string  # type: ignore[import-not-found,unused-ignore]  # noqa: E402
from django.utils.timezone import now  # type: ignore[import-not-found,unused-ignore]  # noqa: E402
from django_scopes import scopes_disabled  # type: ignore[import-not-found,unused-ignore]  # noqa: E402
from pretix.base.models import (  # type: ignore[import-not-found,unused-ignore]  # noqa: E402
    Device,
    Event,
    Gate,
    Order,
    OrderPosition,
    Organizer,
)

AT_ONCE = 1_000
PRICE = Decimal(10)
SCANNER = "pretixscan"
"""The security profile that pretix's own scanning app has."""


def an_event() -> Any:
    organizer = Organizer.objects.create(name="Garden Court", slug="garden")
    starts = now() - datetime.timedelta(hours=1)
    return Event.objects.create(
        organizer=organizer, name="Open day", slug="open-day", currency="EUR", live=True, date_from=starts,
        date_to=starts + datetime.timedelta(days=2), plugins="",
    )  # fmt: skip


def devices(event: Any, many: int) -> list[str]:
    gate = Gate.objects.create(organizer=event.organizer, name="East gate")
    tokens = []
    for number in range(many):
        device = Device.objects.create(
            organizer=event.organizer, name=f"Scanner {number}", gate=gate, all_events=True, initialized=now(),
            api_token=get_random_string(64), security_profile=SCANNER,
        )  # fmt: skip
        tokens.append(device.api_token)
    return tokens


def tickets(event: Any, many: int) -> list[str]:
    """One paid order each, so that no two scans wait for the same row."""
    item = event.items.create(name="Entry", default_price=PRICE, admission=True, active=True)
    channel = event.organizer.sales_channels.get(identifier="web")
    secrets = []
    for first in range(0, many, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, many))
        orders = Order.objects.bulk_create([_order(event, channel, number) for number in numbers])
        positions = OrderPosition.all.bulk_create(
            [_position(order, item, number) for order, number in zip(orders, numbers, strict=True)]
        )
        secrets += [position.secret for position in positions]
    return secrets


def _order(event: Any, channel: Any, number: int) -> Any:
    return Order(
        organizer=event.organizer, event=event, code=f"T{number:07d}", status=Order.STATUS_PAID, locale="en",
        email=f"guest{number}@localhost", datetime=now(), expires=now() + datetime.timedelta(days=10), total=PRICE,
        sales_channel=channel,
    )  # fmt: skip


def _position(order: Any, item: Any, number: int) -> Any:
    return OrderPosition(
        organizer=order.organizer, order=order, item=item, positionid=1, price=PRICE, tax_rate=Decimal(0),
        tax_value=Decimal(0), secret=get_random_string(32), pseudonymization_id=f"P{number:09d}",
        attendee_name_parts={"_scheme": "full", "full_name": f"Guest {number}"},
    )  # fmt: skip


def main() -> None:
    wanted = json.load(sys.stdin)
    with scopes_disabled():
        event = an_event()
        checkin_list = event.checkin_lists.create(name="Entry", all_products=True)
        made = {
            "organizer": event.organizer.slug, "list": checkin_list.pk,
            "tokens": devices(event, wanted["devices"]), "secrets": tickets(event, wanted["tickets"]),
        }  # fmt: skip
    sys.stdout.write(json.dumps(made) + "\n")


if __name__ == "__main__":
    main()
