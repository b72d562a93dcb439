from celery.result import AsyncResult
from flask import Blueprint, jsonify, request

from letters import tasks

bp = Blueprint("letters", __name__)


@bp.post("/letters")
def start():
    names = request.form.getlist("name")
    if len(names) == 1:
        job = tasks.send.delay(names[0], request.form["subject"])
    else:
        job = tasks.send_all.apply_async((names,), {"subject": request.form["subject"]})
    return jsonify(id=job.id), 202


@bp.post("/reminders/<name>")
def remind(name):
    tasks.remind.delay(name)
    return "", 202


@bp.post("/failures")
def fail():
    return jsonify(id=tasks.fail.delay().id)


@bp.get("/letters/<id>")
def state(id):
    result = AsyncResult(id)
    if result.failed():
        return jsonify(state=result.state, error=str(result.result))
    return jsonify(ready=result.ready(), state=result.state, value=result.result)


@bp.get("/words")
def words():
    texts = request.args.getlist("text")
    total = tasks.count_all(texts)
    each = tasks.count_some(texts)
    twice = tasks.count_twice(texts[0])
    return jsonify(total=total.get(timeout=5), each=each.get(timeout=5), more=twice.get(timeout=5))
