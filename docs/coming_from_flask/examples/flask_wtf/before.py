from flask import Flask, render_template_string
from flask_wtf import CSRFProtect, FlaskForm
from wtforms import StringField
from wtforms.validators import DataRequired, ValidationError

csrf = CSRFProtect()
NAMES = {"Ada"}


class NameForm(FlaskForm):
    name = StringField("Name", [DataRequired()])

    def validate_name(self, field):
        if field.data in NAMES:
            raise ValidationError("This name is taken.")


PAGE = """<form method="post">{{ form.hidden_tag() }}
{{ form.name() }} {{ form.name.errors|join(" ") }}</form>"""


def create_app():
    app = Flask(__name__)
    app.secret_key = "change me"
    csrf.init_app(app)

    @app.route("/", methods=["GET", "POST"])
    def index():
        form = NameForm()
        if form.validate_on_submit():
            return f"Hello {form.name.data}"
        return render_template_string(PAGE, form=form)

    return app
