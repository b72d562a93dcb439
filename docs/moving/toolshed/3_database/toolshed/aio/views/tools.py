"""Tools: list and show."""

from quart import Blueprint, render_template, request
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from toolshed.models import Tool

from ..extensions import db

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
