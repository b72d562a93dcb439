from flask_mail import Mail, Message
from quart import request
from quart.utils import run_sync
from quartpatterns.subclassing import FaithfulQuart, bridge_flask

mail = Mail()


def create_app(config=None):
    app = bridge_flask(FaithfulQuart(__name__))
    app.config.from_mapping(MAIL_DEFAULT_SENDER="shop@example.com")
    app.config.from_mapping(config or {})
    mail.init_app(app)

    @app.post("/contact")
    async def contact():
        message = Message("A question", recipients=["info@example.com"])
        message.body = (await request.form)["text"]
        await run_sync(mail.send)(message)
        return "Thank you."

    return app
