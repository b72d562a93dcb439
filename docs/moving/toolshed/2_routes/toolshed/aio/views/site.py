"""Pages that need no database."""

from quart import Blueprint, redirect, render_template, session, url_for
from quartpatterns.subclassing import flash

blueprint = Blueprint("site", "toolshed")


@blueprint.get("/help")
async def help():
    return await render_template("help.html")


@blueprint.post("/tools/<int:id>/watch")
async def watch(id):
    session["watched"] = sorted({*session.get("watched", []), id})
    await flash("The tool is on your watch list.")
    return redirect(url_for("tools.show", id=id))
