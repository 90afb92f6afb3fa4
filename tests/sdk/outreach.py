"""Tells of three customers with Segment's SDK, in one batch: outreach.py URL."""

import sys

from segment.analytics.client import Client

failed = []
client = Client("WK1", host=sys.argv[1], gzip=True, max_retries=1, on_error=lambda error, _: failed.append(error))
client.identify("ada", {"name": "Ada", "email": "ada@x.example", "consent": {"marketing": True}})
client.track("ada", "Order Completed", {"total": 120})
client.identify("bob", {"name": "Bob", "email": "bob@x.example"})
client.track("bob", "Order Completed", {"total": 120})
client.identify("cleo", {"name": "Cleo", "email": "cleo@x.example", "consent": {"marketing": True}})
client.track("cleo", "Order Completed", {"total": 5})
client.flush()
client.join()
sys.exit(f"not taken: {failed}" if failed else 0)
