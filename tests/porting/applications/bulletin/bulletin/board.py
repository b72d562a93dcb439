from flask import (
    Blueprint,
    abort,
    current_app,
    flash,
    g,
    redirect,
    render_template,
    request,
    url_for,
)

from . import db as database
from .auth import login_required
from .db import get_db
from .texts import search_term

bp = Blueprint("board", __name__)


def notices():
    rows = get_db().execute(
        "SELECT notice.*, user.name FROM notice JOIN user ON author = user.id ORDER BY title"
    )
    wanted = search_term()
    return [row for row in rows if wanted in row["title"]]


def pages():
    """Yield lists of as many notices as a page has."""
    size = current_app.config["PAGE_SIZE"]
    found = notices()
    for start in range(0, len(found), size):
        yield found[start : start + size]


def page(number):
    for count, part in enumerate(pages(), 1):
        if count == number:
            return part
    return []


def get_notice(id, check_author=True):
    notice = get_db().execute("SELECT * FROM notice WHERE id = ?", (id,)).fetchone()
    if notice is None:
        abort(404, f"There is no notice {id}.")
    if check_author and notice["author"] != g.user["id"]:
        abort(403)
    return notice


def sent_notice():
    """Return the title and the text of a form, or None if the title is missing."""
    title, body = (request.form.get(name, "").strip() for name in ("title", "body"))
    if not title:
        flash("Title is required.")
        return None
    return title, body


@bp.route("/")
def index():
    number = request.args.get("page", 1, type=int)
    return render_template("board/index.html", notices=page(number), number=number)


@bp.route("/create", methods=("GET", "POST"))
@login_required
def create():
    if request.method == "POST" and (sent := sent_notice()):
        with database.transaction() as db:
            db.execute(
                "INSERT INTO notice (author, title, body) VALUES (?, ?, ?)", (g.user["id"], *sent)
            )
        return redirect(url_for("board.index"))
    return render_template("board/edit.html", notice=None)


@bp.route("/<int:id>/update", methods=("GET", "POST"))
@login_required
def update(id):
    notice = get_notice(id)
    if request.method == "POST":
        sent = sent_notice()
        if sent is not None:
            with database.transaction() as db:
                db.execute("UPDATE notice SET title = ?, body = ? WHERE id = ?", (*sent, id))
            return redirect(url_for("board.index"))
    return render_template("board/edit.html", notice=notice)


@bp.post("/<int:id>/delete")
@login_required
def delete(id):
    get_notice(id)
    with database.transaction() as db:
        db.execute("DELETE FROM notice WHERE id = ?", (id,))
    return redirect(url_for("board.index"))


@bp.route("/old/<int:id>")
def old(id):
    abort(410)
