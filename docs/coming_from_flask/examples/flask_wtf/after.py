from quart import render_template_string
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.wtforms import CSRFProtect, FlaskForm
from wtforms import StringField
from wtforms.validators import DataRequired, ValidationError

csrf = CSRFProtect()
NAMES = {"Ada"}


class NameForm(FlaskForm):
    name = StringField("Name", [DataRequired()])

    async def validate_name(self, field):
        if field.data in NAMES:  # await a query here
            raise ValidationError("This name is taken.")


PAGE = """<form method="post">{{ form.hidden_tag() }}
{{ form.name() }} {{ form.name.errors|join(" ") }}</form>"""


def create_app():
    app = FaithfulQuart(__name__)
    app.secret_key = "change me"
    csrf.init_app(app)

    @app.route("/", methods=["GET", "POST"])
    async def index():
        form = await NameForm.create()
        if await form.validate_on_submit():
            return f"Hello {form.name.data}"
        return await render_template_string(PAGE, form=form)

    return app
