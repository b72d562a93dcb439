"""Pages that need no database."""

from flask import Blueprint, flash, redirect, render_template, session, url_for

blueprint = Blueprint("site", __name__)


@blueprint.get("/help")
def help():
    return render_template("help.html")


@blueprint.post("/tools/<int:id>/watch")
def watch(id):
    session["watched"] = sorted({*session.get("watched", []), id})
    flash("The tool is on your watch list.")
    return redirect(url_for("tools.show", id=id))
