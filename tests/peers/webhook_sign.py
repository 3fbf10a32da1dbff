"""Signs a webhook with the official standardwebhooks library."""

import json
import sys
from datetime import datetime, timezone

from standardwebhooks.webhooks import Webhook

asked = json.load(sys.stdin)
timestamp = datetime.fromtimestamp(int(asked["timestamp"]), tz=timezone.utc)
signature = Webhook(asked["secret"]).sign(asked["id"], timestamp, asked["body"])
headers = {
    "webhook-id": asked["id"],
    "webhook-timestamp": str(int(asked["timestamp"])),
    "webhook-signature": signature,
}
json.dump({"headers": headers}, sys.stdout)
