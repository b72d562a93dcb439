"""The port's application: made first, so that what is imported below can import it back."""

from quartpatterns.packages import register_blueprints
from quartpatterns.subclassing import FaithfulQuart

app = FaithfulQuart(__name__)

from quartpatterns.packages.example.yourapplication import views as views  # noqa: E402

register_blueprints(app, ".blueprints")
