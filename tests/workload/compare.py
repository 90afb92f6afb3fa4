"""Compares the decisions of `heedful replay --decisions` with the workload's expected results.

usage: compare.py DECISIONS.ndjson EXPECTED.json

The digest is the XOR over all decisions of FNV-1a-64("customer|TRIGGER|message id|sent or capped").
"""

import collections
import json
import sys


def fnv1a(text: str) -> int:
    digest = 0xCBF29CE484222325
    for byte in text.encode():
        digest = (digest ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return digest


def main() -> None:
    decisions, expected = sys.argv[1:]
    counts = collections.Counter()
    digest = 0
    with open(decisions) as lines:
        for line in lines:
            decision = json.loads(line)
            trigger = decision["trigger"].upper()
            result = decision.get("reason") or decision["verdict"]
            counts[trigger, result] += 1
            text = f"{decision['customer']}|{trigger}|{decision['occurrence']}|{result}"
            digest ^= fnv1a(text)
    with open(expected) as file:
        wanted = next(v for v in json.load(file).values() if isinstance(v, dict) and "T1" in v)
    found = {
        trigger: {result: counts[trigger, result] for result in ("sent", "capped")}
        for trigger in ("T1", "T2", "T3")
    }
    differences = [
        f"{name}: expected {wanted[name]}, found {value}"
        for name, value in {**found, "digest": f"{digest:016x}"}.items()
        if wanted[name] != value
    ]
    if differences or sum(counts.values()) != sum(sum(v.values()) for v in found.values()):
        sys.exit("the workload went wrong:\n  " + "\n  ".join(differences or [str(counts)]))
    print(f"as expected: {found}, digest {digest:016x}")


main()
