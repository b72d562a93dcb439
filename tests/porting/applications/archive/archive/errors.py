from flask import jsonify, render_template, request

from archive import app
from archive.storage import UploadError


def wants_json():
    return request.path.startswith("/api/")


@app.errorhandler(UploadError)
def upload_failed(error):
    if wants_json():
        return jsonify(error=str(error)), error.status
    return render_template("error.html", message=error), error.status


@app.errorhandler(KeyError)
def not_found(error):
    return {"error": f"{error.args[0]} does not exist"}, 404


@app.errorhandler(413)
def too_large(error):
    response = error.get_response()
    response.data = b"At most 10 kB."
    return response
