"""Movies on MongoEngine, and the users of the 0.10 page.

Today's page uses Flask-MongoEngine, which imports names that Flask has removed. The few lines that
it needs are written here, with MongoEngine. The 0.10 page uses MongoKit, which ended with Python 2:
its document is a MongoEngine document here, and its second half is PyMongo, as it was there.
"""

import mongoengine as me
from flask import (
    Blueprint,
    Flask,
    abort,
    g,
    json,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.exceptions import Conflict, HTTPException

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Imdb(me.EmbeddedDocument):
    imdb_id = me.StringField()
    rating = me.DecimalField()
    votes = me.IntField()


class Movie(me.Document):
    title = me.StringField(required=True)
    year = me.IntField()
    rated = me.StringField()
    director = me.StringField()
    actors = me.ListField(me.StringField())
    imdb = me.EmbeddedDocumentField(Imdb)
    meta = {"indexes": ["year"]}


class User(me.Document):
    name = me.StringField(required=True, max_length=50)
    email = me.StringField(required=True, max_length=120, unique=True)

    def __repr__(self):
        return f"<User {self.name!r}>"


views = Blueprint("mongodb", __name__)


def as_dict(document):
    return {
        "id": str(document.id),
        "title": document.title,
        "year": document.year,
        "rated": document.rated,
        "director": document.director,
        "actors": list(document.actors),
        "imdb": document.imdb and imdb_as_dict(document.imdb),
    }


def imdb_as_dict(imdb):
    rating = None if imdb.rating is None else float(imdb.rating)
    return {"imdb_id": imdb.imdb_id, "rating": rating, "votes": imdb.votes}


def user_as_dict(user):
    return {"id": str(user.id), "name": user.name, "email": user.email}


@views.get("/")
def index():
    page = Page(Movie.objects.order_by("title"))
    return render_template("movies.html", page=page)


@views.post("/")
def create_movie_by_form():
    if request.mimetype and request.mimetype not in FORMS:
        abort(415, f"Send the body as {' or '.join(FORMS)}.")
    g.part, g.place = "form", lambda name: {"field": name.split("/")[0]}
    form = {name: values if values[1:] else values[0] for name, values in request.form.lists()}
    fields = {name: value for name, value in form.items() if value and name != "imdb"}
    fields["actors"] = [name for name in request.form.getlist("actors") if name]
    make_movie(fields).save()
    return redirect(url_for(".index"), 303)


@views.get("/movies")
def list_movies():
    page = Page(Movie.objects.order_by("title"))
    return {
        "movies": [as_dict(movie) for movie in page],
        "page": page.page,
        "per_page": page.per_page,
        "total": page.total,
        "pages": page.pages,
        "next": page.next_num,
        "prev": page.prev_num,
    }


def make_movie(fields):
    imdb = fields.get("imdb")
    if isinstance(imdb, dict):
        imdb = Imdb(**{name: imdb.get(name) for name in ("imdb_id", "rating", "votes")})
    elif imdb is not None:
        message = "Input should be a valid dictionary or instance of Imdb"
        abort(invalid("JSON body", [{"detail": message, "pointer": "#/imdb"}]))
    return Movie(
        title=fields.get("title"),
        year=fields.get("year"),
        rated=fields.get("rated"),
        director=fields.get("director"),
        actors=fields.get("actors"),
        imdb=imdb,
    )


@views.post("/movies")
def create_movie():
    movie = make_movie(read_json("MovieFields"))
    movie.save()
    return as_dict(movie), 201, {"Location": url_for(".get_movie", id=movie.id)}


@views.get("/movies/<id>")
def get_movie(id):
    return as_dict(get_or_404(Movie.objects(id=id), "There is no such movie."))


@views.post("/movies/<id>/year")
def change_year(id):
    fields = read_json("YearChange")
    movie = get_or_404(Movie.objects(id=id))
    movie.year = fields.get("year")
    movie.save()
    return as_dict(movie.reload())


@views.get("/movies/titled/<title>")
def get_movie_titled(title):
    return as_dict(get_or_404(Movie.objects(title=title)))


@views.get("/movies/starring/<actor>")
def get_movie_starring(actor):
    movie = Movie.objects(actors__in=[actor]).first()
    return {"movie": as_dict(movie) if movie else None}


@views.get("/movies/since/<int(max=9999):year>")
def list_movies_since(year):
    return {"titles": [movie.title for movie in Movie.objects(year__gte=year).order_by("title")]}


@views.get("/movies/by-year")
def count_movies():
    pipeline = [
        {"$group": {"_id": "$year", "movies": {"$sum": 1}, "rating": {"$avg": "$imdb.rating"}}},
        {"$sort": {"_id": 1}},
    ]
    return {"years": list(Movie.objects.aggregate(pipeline))}


@views.post("/movies/search")
def search():
    found = Movie.objects(title=read_json("Search").get("title"))
    return {"titles": [movie.title for movie in found]}


@views.post("/users")
def create_user():
    fields = read_json("UserFields")
    user = User(name=fields.get("name"), email=fields.get("email"))
    user.save()
    return user_as_dict(user), 201


@views.get("/users")
def list_users():
    return {"users": [repr(user) for user in User.objects.order_by("name")]}


@views.get("/users/<name>")
def get_user(name):
    user = User.objects(name=name).first()
    if user is None:
        abort(404)
    return user_as_dict(user)


@views.post("/collection/users")
def insert_user():
    fields = read_json("AnyUser")
    user = {"name": fields.get("name"), "email": fields.get("email")}
    result = collection().insert_one(user)
    return {"id": str(result.inserted_id)}, 201


@views.get("/collection/users")
def list_user_names():
    return {"names": [user["name"] for user in collection().find().sort("name")]}


@views.get("/collection/users/<name>")
def find_user(name):
    user = collection().find_one({"name": name})
    if user is None:
        abort(404)
    return {"id": str(user["_id"]), "name": user["name"], "email": user["email"]}


def collection():
    return me.get_db()["users"]


def get_or_404(queryset, description=None):
    try:
        return queryset.get()
    except (me.DoesNotExist, me.MultipleObjectsReturned, me.ValidationError):
        abort(404, description)


class Page:
    def __init__(self, queryset):
        self.page = self.number("page", 1, 1_000_000)
        self.per_page = min(self.number("per_page", 20), 100)
        start = (self.page - 1) * self.per_page
        self.items = list(queryset[start : start + self.per_page])
        if not self.items and self.page > 1:
            abort(404)
        self.total = queryset.count()
        self.pages = -(-self.total // self.per_page)
        self.first = start + 1 if self.items else 0
        self.last = start + len(self.items)
        self.prev_num = self.page - 1 if self.page > 1 else None
        self.next_num = self.page + 1 if self.page < self.pages else None

    def number(self, name, default, limit=None):
        values = request.args.getlist(name) or [default]
        if len(values) > 1:
            self.invalid(name, "Input should be a valid integer")
        try:
            number = int(values[0])
        except ValueError:
            self.invalid(name, "Input should be a whole number")
        if number < 1:
            self.invalid(name, "Input should be greater than or equal to 1")
        if limit and number > limit:
            self.invalid(name, f"Input should be less than or equal to {limit}")
        return number

    def invalid(self, name, message):
        abort(invalid("query string", [{"detail": message, "parameter": name}]))

    def __iter__(self):
        return iter(self.items)


def read_json(name):
    fields = request.get_json()
    if not isinstance(fields, dict):
        message = f"Input should be a valid dictionary or instance of {name}"
        abort(invalid("JSON body", [{"detail": message, "pointer": "#"}]))
    g.part, g.place = "JSON body", lambda name: {"pointer": f"#/{name}"}
    return fields


def problem(error):
    response = error.get_response()
    answer = {"title": error.name, "status": error.code, "detail": error.description}
    response.data = json.dumps(answer)
    response.content_type = "application/problem+json"
    return response


def invalid(part, errors):
    detail = f"The {part} of the request is not valid."
    answer = {"title": "Bad Request", "status": 400, "detail": detail, "errors": errors}
    response = make_response(answer, 400)
    response.content_type = "application/problem+json"
    return response


def invalid_document(error):
    errors = [{"detail": text, **g.place(name)} for name, text in flatten(error.to_dict())]
    return invalid(g.part, errors)


def flatten(errors, prefix=""):
    for name, value in errors.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value


def taken(error):
    return problem(Conflict("A document with this email already exists."))


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(MONGODB_SETTINGS={"db": "myapp"})
    app.config.from_mapping(config or {})
    # MongoEngine stores one connection for the whole process.
    me.disconnect()
    me.connect(uuidRepresentation="standard", **app.config["MONGODB_SETTINGS"])
    app.register_error_handler(me.ValidationError, invalid_document)
    app.register_error_handler(me.NotUniqueError, taken)
    app.register_error_handler(HTTPException, problem)
    app.register_blueprint(views)
    return app
