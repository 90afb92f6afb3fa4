"""Points real SDKs at the real door and compares what came out of it.

check.py SERVER [SDK ...]   with SDK one of python:segment, node:posthog, ...; none means all.

SERVER is the built example `ingest-echo`. Needs the packages of requirements.txt in this Python and
those of package.json in NODE_DIR (default: beside this file). `run` does all of it.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NODE_DIR = Path(os.environ.get("NODE_DIR", HERE))
KEY = "WK1"
ALL = [f"{language}:{sdk}" for language in ("python", "node") for sdk in ("segment", "rudder", "posthog")]

ORDER = {"revenue": 9.9, "currency": "EUR", "address.city": "Gent \u00e9\u5bb6"}
URL = {"url": "https://shop.example/checkout"}
GROUP = {"account": "acme", "group": {"employees": 3, "name": "Acme"}}
PLACE = {"account": "acme", "locale": "nl-BE", "timezone": "Europe/Brussels"}


def means(customer, event, properties=None, traits=None, view=False):
    return {
        "customer": customer, "event": event, "view": view,
        "properties": properties or {}, "traits": traits or {},
    }


SEGMENT_LIKE = [
    means("u1", None, traits={"plan": "pro", "seats": 3}),
    means("u1", "Order Completed", ORDER, PLACE),
    means("u1", "Page: Checkout", {"category": "Docs", "name": "Checkout", **URL}, view=True),
    means("u1", "Screen: Cart", {"category": "App", "name": "Cart"}, view=True),
    means("u1", None, traits=GROUP),
    means("u1", "Aliased", {"previousId": "an1"}),
    means("an1", "Seen"),
]


def posthog(alias, phantom):
    return [
        means("u1", None, traits={"plan": "pro", "seats": 3}),
        means("u1", "Order Completed", ORDER, {"account": "acme"}),
        means("u1", "Page: (unnamed)", URL, view=True),
        means("u1", None, traits=GROUP),
        *phantom,
        alias,
    ]


EXPECTED = {
    "python:segment": SEGMENT_LIKE,
    "python:rudder": SEGMENT_LIKE,
    "node:segment": SEGMENT_LIKE,
    "node:rudder": SEGMENT_LIKE,
    # Without a customer Python's SDK draws an id for the group, Node's makes one that is known.
    "python:posthog": posthog(means("an1", "Aliased", {"previousId": "u1"}), [means("*", None, traits=GROUP)]),
    "node:posthog": posthog(means("u1", "Aliased", {"previousId": "an1"}), []),
}
# Calls whose SDK takes no time.
TIMELESS = {"node:posthog": {0, 3, 4}, "node:rudder": {0}}


def send(sdk, address):
    language, name = sdk.split(":")
    if language == "python":
        command = [sys.executable, str(HERE / "send.py")]
    else:
        script = NODE_DIR / "send.mjs"
        if script.parent != HERE:
            shutil.copy(HERE / "send.mjs", script)
        command = ["node", str(script)]
    command += [name, f"http://{address}", KEY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise SystemExit(f"{sdk}: the sender failed\n{done.stdout}{done.stderr}")
    return done.stdout.strip().splitlines()[-1]


def check(sdk, server_path):
    with subprocess.Popen([server_path, KEY], stdout=subprocess.PIPE, text=True) as server:
        try:
            address = json.loads(server.stdout.readline())["listening"]
            sent_at = send(sdk, address)
        finally:
            server.terminate()
        told = [json.loads(line) for line in server.stdout]
    faults = []
    expected = EXPECTED[sdk]
    ids = {event.pop("id", None) for event in told}
    if None in ids or len(ids) != len(told):
        faults.append("an id is missing or not the only one of its kind")
    for index, event in enumerate(told):
        occurred_at = event.pop("occurred_at", None)
        if index not in TIMELESS.get(sdk, ()) and occurred_at != sent_at:
            faults.append(f"event {index}: occurred at {occurred_at}, sent as {sent_at}")
    for index in range(max(len(told), len(expected))):
        want = expected[index] if index < len(expected) else None
        got = told[index] if index < len(told) else None
        if want and got and want["customer"] == "*":
            want = {**want, "customer": got.get("customer")}
        if want != got:
            faults.append(f"event {index}:\n  expected {want}\n  got      {got}")
    return faults


def main(server_path, *sdks):
    failed = False
    for sdk in sdks or ALL:
        faults = check(sdk, server_path)
        failed = failed or bool(faults)
        print(f"{sdk}: {'ok' if not faults else 'differs'}")
        for fault in faults:
            print(f"  {fault}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
