"""The pages."""

import csv
import io

from flask import (
    Response,
    flash,
    redirect,
    render_template,
    request,
    send_file,
    send_from_directory,
    session,
    stream_with_context,
    url_for,
)
from flask.views import View

from archive import app
from archive.storage import Storage


class Page(View):
    """A page with a template."""

    template = ""

    def variables(self):
        return {}

    def dispatch_request(self, **arguments):
        return render_template(self.template, **self.variables(**arguments))


class Index(Page):
    template = "index.html"

    def variables(self):
        session["visits"] = session.get("visits", 0) + 1
        return {"entries": Storage.current().entries(), "visits": session["visits"]}


class Upload(Page):
    methods = ["GET", "POST"]
    template = "upload.html"

    def dispatch_request(self):
        if request.method == "POST":
            upload = request.files.get("file")
            if upload:
                entry = Storage.current().save(upload)
                entry.about = {"text": request.form["text"]}
                flash(f"{entry.name} is stored.")
                return redirect(url_for("index"))
            flash("No file was sent.")
        return super().dispatch_request()


app.add_url_rule("/", view_func=Index.as_view("index"))
app.add_url_rule("/upload", view_func=Upload.as_view("upload"))


@app.route("/files/<name>")
def download(name):
    return send_from_directory(Storage.current().folder.absolute(), name, as_attachment=True)


@app.route("/zip")
def everything():
    import zipfile

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for entry in Storage.current().entries():
            archive.write(entry.path, entry.name)
    content.seek(0)
    response = send_file(content, mimetype="application/zip", download_name="all.zip")
    response.headers["X-Files"] = str(len(archive.namelist()))
    return response


def lines(entries):
    yield ["name", "size"]
    for entry in entries:
        yield [entry.name, entry.as_dict()["size"]]


@app.get("/list.csv")
def list_csv():
    def generate():
        for row in lines(Storage.current().entries()):
            out = io.StringIO()
            csv.writer(out).writerow(row)
            yield out.getvalue()

    return Response(stream_with_context(generate()), mimetype="text/csv")


@app.get("/slow")
def slow():
    @stream_with_context
    def generate():
        yield "Hello "
        yield request.args["name"]
        yield "!"

    return app.response_class(
        generate(), headers={"X-Accel-Buffering": "no"}, mimetype="text/plain"
    )


@app.after_request
def sign(response):
    if response.mimetype == "text/html" and not response.direct_passthrough:
        response.data += b"<!-- archive -->"
    return response
