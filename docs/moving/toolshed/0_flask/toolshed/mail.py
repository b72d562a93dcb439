"""Send mail."""

import smtplib
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4


def deliver(config, to, subject, text):
    """Send a mail. With MAIL_FOLDER it is only written into that folder."""
    message = EmailMessage()
    message["From"] = "shed@example.com"
    message["To"] = to
    message["Subject"] = subject
    message.set_content(text)
    if config["MAIL_FOLDER"]:
        folder = Path(config["MAIL_FOLDER"])
        folder.mkdir(exist_ok=True)
        (folder / f"{uuid4()}.eml").write_bytes(bytes(message))
    else:
        with smtplib.SMTP(config["MAIL_SERVER"], timeout=10) as server:
            server.send_message(message)
