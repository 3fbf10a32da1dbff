"""A mail server (aiosmtpd) that keeps what it was given: one line `{ready}` with its port, then one for each mail, as the
standard library's parser reads it."""

import email
import email.policy
import json
import socket
import threading

from aiosmtpd.controller import Controller


class Keep:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        text, html = mail.get_body(("plain",)), mail.get_body(("html",))
        print(json.dumps({
            "to": envelope.rcpt_tos, "from": mail["From"], "subject": mail["Subject"], "id": mail["Message-ID"],
            "auto": mail["Auto-Submitted"], "date": mail["Date"], "defects": [str(d) for d in mail.defects],
            "text": text.get_content(), "html": html.get_content(),
        }), flush=True)
        return "250 OK"


with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
controller = Controller(Keep(), hostname="127.0.0.1", port=port)
controller.start()
print(json.dumps({"ready": controller.port}), flush=True)
threading.Event().wait()
