"""Tools: list, show, add, borrow and return."""

from quart import Blueprint, abort, redirect, render_template, request, url_for
from quartpatterns.subclassing import flash
from quartpatterns.viewdecorators import current_user, login_required
from sqlalchemy import select, update
from sqlalchemy.orm import joinedload

from toolshed.models import Tool

from ..extensions import db
from ..forms import BorrowForm, ToolForm
from ..tasks import send_mail

blueprint = Blueprint("tools", "toolshed")


@blueprint.get("/")
async def index():
    query = select(Tool).options(joinedload(Tool.owner)).order_by(Tool.name)
    if search := request.args.get("q"):
        query = query.where(Tool.name.icontains(search, autoescape=True))
    page = await db.paginate(query, per_page=20)
    return await render_template("index.html", page=page, search=search or "")


@blueprint.get("/tools/<int:id>")
async def show(id):
    loaded = [joinedload(Tool.owner), joinedload(Tool.borrower)]
    tool = await db.get_or_404(Tool, id, options=loaded)
    return await render_template("tool.html", tool=tool)


@blueprint.route("/tools/new", methods=["GET", "POST"])
@login_required
async def new():
    form = await ToolForm.create()
    if await form.validate_on_submit():
        tool = Tool(owner_id=current_user.id)
        form.populate_obj(tool)
        db.session.add(tool)
        await db.session.commit()
        await flash(f"{tool.name} is in the shed.")
        return redirect(url_for(".show", id=tool.id))
    return await render_template("form.html", form=form, title="New tool")


@blueprint.post("/tools/<int:id>/borrow")
@login_required
async def borrow(id):
    form = await BorrowForm.create()
    if not await form.validate():
        abort(400)
    tool = await db.get_or_404(Tool, id, options=[joinedload(Tool.owner)])
    lend = update(Tool).where(Tool.id == id, Tool.borrower_id.is_(None))
    lent = await db.session.execute(lend.values(borrower_id=current_user.id))
    if not lent.rowcount:
        await flash("Somebody else was faster.")
        return redirect(url_for(".show", id=id))
    await db.session.commit()
    await send_mail.delay(
        tool.owner.email,
        f"{current_user.name} borrows {tool.name}",
        f"{form.note.data}\n\n{url_for('.show', id=id, _external=True)}\n",
    )
    await flash(f"{tool.name} is yours for now. {tool.owner.name} gets a mail.")
    return redirect(url_for(".show", id=id))


@blueprint.post("/tools/<int:id>/return")
@login_required
async def give_back(id):
    tool = await db.get_or_404(Tool, id)
    if tool.borrower_id != current_user.id:
        abort(403)
    tool.borrower_id = None
    await db.session.commit()
    await flash("Thank you.")
    return redirect(url_for(".show", id=id))
