from flask import Flask, request
from flask_mail import Mail, Message

mail = Mail()


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(MAIL_DEFAULT_SENDER="shop@example.com")
    app.config.from_mapping(config or {})
    mail.init_app(app)

    @app.post("/contact")
    def contact():
        message = Message("A question", recipients=["info@example.com"])
        message.body = request.form["text"]
        mail.send(message)
        return "Thank you."

    return app
