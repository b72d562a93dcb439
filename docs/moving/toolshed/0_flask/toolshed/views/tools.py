"""Tools: list, show, add, borrow and return."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_login import current_user, login_required
from sqlalchemy import update

from toolshed.extensions import db
from toolshed.forms import BorrowForm, ToolForm
from toolshed.models import Tool
from toolshed.tasks import send_mail

blueprint = Blueprint("tools", __name__)


@blueprint.get("/")
def index():
    query = db.select(Tool).order_by(Tool.name)
    if search := request.args.get("q"):
        query = query.where(Tool.name.icontains(search, autoescape=True))
    page = db.paginate(query, per_page=20)
    return render_template("index.html", page=page, search=search or "")


@blueprint.get("/tools/<int:id>")
def show(id):
    return render_template("tool.html", tool=db.get_or_404(Tool, id))


@blueprint.route("/tools/new", methods=["GET", "POST"])
@login_required
def new():
    form = ToolForm()
    if form.validate_on_submit():
        tool = Tool(owner_id=current_user.id)
        form.populate_obj(tool)
        db.session.add(tool)
        db.session.commit()
        flash(f"{tool.name} is in the shed.")
        return redirect(url_for(".show", id=tool.id))
    return render_template("form.html", form=form, title="New tool")


@blueprint.post("/tools/<int:id>/borrow")
@login_required
def borrow(id):
    form = BorrowForm()
    if not form.validate():
        abort(400)
    tool = db.get_or_404(Tool, id)
    lend = update(Tool).where(Tool.id == id, Tool.borrower_id.is_(None))
    if not db.session.execute(lend.values(borrower_id=current_user.id)).rowcount:
        flash("Somebody else was faster.")
        return redirect(url_for(".show", id=id))
    db.session.commit()
    send_mail.delay(
        tool.owner.email,
        f"{current_user.name} borrows {tool.name}",
        f"{form.note.data}\n\n{url_for('.show', id=id, _external=True)}\n",
    )
    flash(f"{tool.name} is yours for now. {tool.owner.name} gets a mail.")
    return redirect(url_for(".show", id=id))


@blueprint.post("/tools/<int:id>/return")
@login_required
def give_back(id):
    tool = db.get_or_404(Tool, id)
    if tool.borrower_id != current_user.id:
        abort(403)
    tool.borrower_id = None
    db.session.commit()
    flash("Thank you.")
    return redirect(url_for(".show", id=id))
