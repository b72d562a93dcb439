"""Movies and users in MongoDB: documents, and the collections under them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from beanie import Indexed
from beanie.operators import GTE, Eq, In
from pydantic import BaseModel, Field
from quart import (
    Blueprint,
    ResponseReturnValue,
    abort,
    json,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns.mongodb import Document, DocumentInvalid, MongoDB, literal, read_document
from quartpatterns.subclassing import FaithfulQuart

mongo = MongoDB()


class Imdb(BaseModel):
    imdb_id: str
    rating: Annotated[float | None, Field(allow_inf_nan=False)] = None
    votes: int | None = None


@mongo.register
class Movie(Document):
    title: str
    year: Annotated[int | None, Indexed()] = None
    rated: str | None = None
    director: str | None = None
    actors: list[str] = []
    imdb: Imdb | None = None

    class Settings:
        validate_on_save = True


@mongo.register
class User(Document):
    name: Annotated[str, Field(max_length=50)]
    email: Annotated[str, Field(max_length=120), Indexed(unique=True)]

    def __repr__(self) -> str:
        return f"<User {self.name!r}>"


views = Blueprint("mongodb", __name__)


def as_dict(document: Document) -> dict[str, Any]:
    fields: dict[str, Any] = document.model_dump(mode="json")
    return fields


@views.get("/")
async def index() -> str:
    page = await mongo.paginate(Movie.find_all().sort("title"))
    return await render_template("movies.html", page=page)


@views.get("/movies")
async def list_movies() -> dict[str, Any]:
    page = await mongo.paginate(Movie.find_all().sort("title"))
    return {
        "movies": [as_dict(movie) for movie in page],
        "page": page.page,
        "per_page": page.per_page,
        "total": page.total,
        "pages": page.pages,
        "next": page.next_num,
        "prev": page.prev_num,
    }


@views.post("/movies")
async def create_movie() -> ResponseReturnValue:
    movie = await read_document(Movie, await read_fields()).insert()
    if not request.is_json:
        return redirect(url_for(".index"), 303)
    return as_dict(movie), 201, {"Location": url_for(".get_movie", id=movie.id)}


@views.get("/movies/<id>")
async def get_movie(id: str) -> dict[str, Any]:
    return as_dict(await mongo.get_or_404(Movie, id, description="There is no such movie."))


@views.post("/movies/<id>/year")
async def change_year(id: str) -> dict[str, Any]:
    movie = await mongo.get_or_404(Movie, id)
    movie.year = (await read_fields()).get("year")
    await movie.save()
    return as_dict(movie)


@views.get("/movies/titled/<title>")
async def get_movie_titled(title: str) -> dict[str, Any]:
    return as_dict(await mongo.one_or_404(Movie.find(Eq(Movie.title, title))))


@views.get("/movies/starring/<actor>")
async def get_movie_starring(actor: str) -> dict[str, Any]:
    movie = await Movie.find(In(Movie.actors, [actor])).first_or_none()
    return {"movie": as_dict(movie) if movie else None}


@views.get("/movies/since/<int:year>")
async def list_movies_since(year: int) -> dict[str, Any]:
    found = Movie.find(GTE(Movie.year, year)).sort("title")
    return {"titles": [movie.title async for movie in found]}


@views.get("/movies/by-year")
async def count_movies() -> dict[str, Any]:
    pipeline = [
        {"$group": {"_id": "$year", "movies": {"$sum": 1}, "rating": {"$avg": "$imdb.rating"}}},
        {"$sort": {"_id": 1}},
    ]
    return {"years": await Movie.aggregate(pipeline).to_list()}


@views.post("/movies/search")
async def search() -> dict[str, Any]:
    fields = await read_fields()
    found = Movie.find(Eq(Movie.title, literal(fields.get("title")))).sort("title")
    return {"titles": [movie.title async for movie in found]}


@views.post("/users")
async def create_user() -> ResponseReturnValue:
    user = await read_document(User, await read_fields()).insert()
    return as_dict(user), 201


@views.get("/users")
async def list_users() -> dict[str, Any]:
    return {"users": [repr(user) async for user in User.find_all().sort("name")]}


@views.get("/users/<name>")
async def get_user(name: str) -> dict[str, Any]:
    return as_dict(await mongo.first_or_404(User.find(Eq(User.name, name))))


@views.post("/collection/users")
async def insert_user() -> ResponseReturnValue:
    fields = await read_fields()
    user = {"name": fields.get("name"), "email": fields.get("email")}
    result = await mongo.db["users"].insert_one(user)
    return {"id": str(result.inserted_id)}, 201


@views.get("/collection/users")
async def list_user_names() -> dict[str, Any]:
    return {"names": [user["name"] async for user in mongo.db["users"].find().sort("name")]}


@views.get("/collection/users/<name>")
async def find_user(name: str) -> dict[str, Any]:
    user = await mongo.db["users"].find_one({"name": name})
    if user is None:
        abort(404)
    return {"id": str(user["_id"]), "name": user["name"], "email": user["email"]}


async def read_fields() -> Mapping[str, Any]:
    if not request.is_json:
        form = await request.form
        fields = {name: value for name, value in form.items() if value}
        return {**fields, "actors": [name for name in form.getlist("actors") if name]}
    fields = await request.get_json()
    if not isinstance(fields, dict):
        abort(400, "Send an object.")
    return fields


async def problem(error: HTTPException) -> WerkzeugResponse:
    answer: dict[str, Any] = {"title": error.name, "status": error.code}
    if isinstance(error, DocumentInvalid):
        answer["fields"] = error.fields
    else:
        answer["detail"] = error.description
    response = WerkzeugResponse.force_type(error.get_response())
    response.data = json.dumps(answer)
    response.content_type = "application/problem+json"
    return response


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    app = FaithfulQuart(__name__)
    app.config.from_mapping(MONGODB_SETTINGS={"db": "myapp"})
    app.config.from_mapping(config or {})
    mongo.init_app(app)
    app.register_error_handler(HTTPException, problem)
    app.register_blueprint(views)
    return app
