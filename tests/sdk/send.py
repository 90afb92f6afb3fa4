"""Sends one customer's story with a real SDK: send.py segment|rudder|posthog URL KEY."""

import sys
from datetime import datetime, timedelta, timezone

# A time that has to arrive as it was sent, decimals of a second included.
AT = datetime.now(timezone.utc).replace(microsecond=123000) - timedelta(minutes=10)
ORDER = {"revenue": 9.9, "currency": "EUR", "address": {"city": "Gent \u00e9\u5bb6"}}


def segment_like(client):
    client.identify("u1", {"plan": "pro", "seats": 3}, timestamp=AT)
    client.track(
        "u1", "Order Completed", ORDER, timestamp=AT,
        context={"locale": "nl-BE", "timezone": "Europe/Brussels", "groupId": "acme"},
    )
    client.page("u1", "Docs", "Checkout", {"url": "https://shop.example/checkout"}, timestamp=AT)
    client.screen("u1", "App", "Cart", {}, timestamp=AT)
    client.group("u1", "acme", {"name": "Acme", "employees": 3}, timestamp=AT)
    client.alias("an1", "u1", timestamp=AT)
    client.track(anonymous_id="an1", event="Seen", timestamp=AT)
    client.flush()


def segment(url, key):
    from segment.analytics.client import Client

    segment_like(Client(key, host=url, gzip=True, max_retries=1))


def rudder(url, key):
    from rudderstack.analytics.client import Client

    segment_like(Client(key, host=url, gzip=True, max_retries=1))


def posthog(url, key):
    from posthog import Posthog

    client = Posthog(key, host=url, disable_geoip=False)
    client.set(distinct_id="u1", properties={"plan": "pro", "seats": 3}, timestamp=AT)
    client.capture(
        "Order Completed", distinct_id="u1", properties=ORDER, timestamp=AT,
        groups={"company": "acme"},
    )
    client.capture(
        "$pageview", distinct_id="u1", timestamp=AT,
        properties={"$current_url": "https://shop.example/checkout", "$pathname": "/checkout"},
    )
    client.group_identify("company", "acme", {"name": "Acme", "employees": 3}, timestamp=AT, distinct_id="u1")
    client.group_identify("company", "acme", {"name": "Acme", "employees": 3}, timestamp=AT)
    client.alias("an1", "u1", timestamp=AT)
    client.flush()
    client.shutdown()


if __name__ == "__main__":
    {"segment": segment, "rudder": rudder, "posthog": posthog}[sys.argv[1]](*sys.argv[2:4])
    print(AT.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
