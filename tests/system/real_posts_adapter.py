"""real_posts_adapter.py FILE - an adapter for the test: writes down what it publishes, and refuses some once.

Each reply that it publishes is a line of JSON in FILE.  The first reply to each 53rd item is said to be surely not
published, so that the item goes back to whoever wrote it.
"""

import json
import sys

with open(sys.argv[1], "a", encoding="utf-8") as published:
    failed = set()
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("type") != "reply":
            continue
        item = message["item"]
        if item % 53 == 0 and item not in failed:
            failed.add(item)
            answer = {"type": "failed", "reply": message["reply"], "reason": "the platform was out of order"}
        else:
            published.write(json.dumps(message) + "\n")
            published.flush()
            answer = {"type": "confirmed", "reply": message["reply"], "reference": "published-" + message["key"]}
        print(json.dumps(answer), flush=True)
