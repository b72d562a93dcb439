from flask import Blueprint, current_app, g, render_template, request, stream_template

from .access import audited
from .services import Order, Part
from .util import lazy
from .util.body import body

parts_bp = Blueprint("parts", __name__)
orders_bp = Blueprint("orders", __name__)
FORMATS = {}


def format_of(name):
    def register(function):
        FORMATS[name] = function
        return function

    return register


@format_of("text")
def as_text(orders):
    lines = [render_template("order.txt", order=order) for order in orders]
    return "\n".join(lines), {"Content-Type": "text/plain"}


@format_of("json")
def as_json(orders):
    return [order.as_json() for order in orders]


@format_of("stream")
def as_stream(orders):
    return stream_template("orders.txt", orders=orders), {"Content-Type": "text/plain"}


@parts_bp.route("", methods=["POST"])
@audited
def create_part():
    answer, status = lazy.services.parts.created()
    return answer.as_json(), status


@parts_bp.get("/<name>")
def part(name):
    return lazy.services.parts.get(name).as_json()


@parts_bp.patch("/<name>")
@audited(action="change")
def change_part(name):
    changed: Part = lazy.services.parts.change(name)
    return current_app.json.response(changed)


@parts_bp.get("")
def parts():
    return [part.as_json() for part in lazy.services.parts]


@orders_bp.post("")
@audited
def create_order():
    order, status = lazy.services.orders.created()
    assert isinstance(order, Order)
    return current_app.make_response((order.as_json(), status))


@orders_bp.get("")
def orders():
    show = FORMATS[request.args.get("format", "json")]
    return show(lazy.services.orders.all())


@orders_bp.post("/echo")
def echo():
    return {"sent": body(), "audit": g.get("audit", [])}
