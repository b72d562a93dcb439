"""Movies and users in MongoDB: documents, and the collections under them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Annotated, Any

from beanie import Indexed
from beanie.operators import GTE, Eq, In
from pydantic import BaseModel, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError
from quart import (
    Blueprint,
    Response,
    ResponseReturnValue,
    abort,
    json,
    redirect,
    render_template,
    url_for,
)
from quart_schema import (
    DataSource,
    Info,
    QuartSchema,
    RequestSchemaValidationError,
    hide,
    validate_querystring,
    validate_request,
    validate_response,
)
from werkzeug.exceptions import HTTPException

from quartpatterns.ajax import swagger_ui
from quartpatterns.errorpages import handle_invalid_request
from quartpatterns.mongodb import Document, MongoDB, literal
from quartpatterns.subclassing import FaithfulQuart

mongo = MongoDB()


# Values are read as the fields of MongoEngine read them.


def read_number(value: object) -> object:
    """Read text as ``int()`` does. pydantic would read 1.0, too."""
    if not isinstance(value, str):
        return value
    try:
        return int(value)
    except ValueError:
        raise PydanticCustomError("number", "Input should be a whole number") from None


def read_rating(value: object) -> object:
    """Round to two places."""
    if value is None:
        return None
    try:
        # str() of true and false is no number.
        return float(Decimal(str(value)).quantize(Decimal("0.01"), ROUND_HALF_UP))
    except InvalidOperation:
        raise PydanticCustomError("decimal", "Input should be a number") from None


def read_list(value: object) -> object:
    return [] if value is None else value


Number = Annotated[int, BeforeValidator(read_number)]


# The documents, on top of their fields, which are what clients send.


class Imdb(BaseModel):
    imdb_id: str | None = None
    rating: Annotated[float | None, Field(allow_inf_nan=False), BeforeValidator(read_rating)] = None
    votes: Number | None = None


class MovieFields(BaseModel):
    title: str
    year: Annotated[Number | None, Indexed()] = None
    rated: str | None = None
    director: str | None = None
    actors: Annotated[list[str], BeforeValidator(read_list)] = []
    imdb: Imdb | None = None


@mongo.register
class Movie(Document, MovieFields):
    class Settings:
        validate_on_save = True


class UserFields(BaseModel):
    name: Annotated[str, Field(max_length=50)]
    email: Annotated[str, Field(max_length=120), Indexed(unique=True)]


@mongo.register
class User(Document, UserFields):
    def __repr__(self) -> str:
        return f"<User {self.name!r}>"


# What else clients send, and what they get.


class MovieForm(MovieFields):
    @model_validator(mode="before")
    @classmethod
    def leave_out_empty_fields(cls, form: Any) -> Any:
        """Read the fields of the page: an input that is left empty has no value."""
        fields = {name: value for name, value in form.items() if value and name != "imdb"}
        actors = fields.pop("actors", [])
        actors = actors if isinstance(actors, list) else [actors]
        return {**fields, "actors": [actor for actor in actors if actor]}


class YearChange(BaseModel):
    year: Number | None = None


class Search(BaseModel):
    title: Any = None


class AnyUser(BaseModel):
    """A user without a schema: a collection stores any values."""

    name: Any = None
    email: Any = None


class PageQuery(BaseModel):
    page: Annotated[Number, Field(ge=1, le=1_000_000)] = 1
    per_page: Annotated[Number, Field(ge=1)] = 20


class MovieOut(MovieFields):
    id: str


class UserOut(UserFields):
    id: str


class StoredUser(AnyUser):
    id: str


class StoredId(BaseModel):
    id: str


class MoviePage(BaseModel):
    movies: list[MovieOut]
    page: int
    per_page: int
    total: int | None
    pages: int
    next: int | None
    prev: int | None


class FoundMovie(BaseModel):
    movie: MovieOut | None


class Titles(BaseModel):
    titles: list[str]


class Years(BaseModel):
    years: list[dict[str, Any]]


class Users(BaseModel):
    users: list[str]


class Names(BaseModel):
    names: list[Any]


def as_dict(document: Document) -> dict[str, Any]:
    fields: dict[str, Any] = document.model_dump(mode="json")
    return fields


def as_movie(movie: Movie) -> MovieOut:
    return MovieOut(**as_dict(movie))


views = Blueprint("mongodb", __name__)


@views.get("/")
@hide
@validate_querystring(PageQuery)
async def index(query_args: PageQuery) -> str:
    page = await mongo.paginate(Movie.find_all().sort("title"), **query_args.model_dump())
    return await render_template("movies.html", page=page)


@views.post("/")
@hide
@validate_request(MovieForm, source=DataSource.FORM)
async def create_movie_by_form(data: MovieForm) -> ResponseReturnValue:
    await Movie(**data.model_dump()).insert()
    return redirect(url_for(".index"), 303)


@views.get("/movies")
@validate_querystring(PageQuery)
@validate_response(MoviePage)
async def list_movies(query_args: PageQuery) -> Any:
    page = await mongo.paginate(Movie.find_all().sort("title"), **query_args.model_dump())
    return MoviePage(
        movies=[as_movie(movie) for movie in page],
        page=page.page,
        per_page=page.per_page,
        total=page.total,
        pages=page.pages,
        next=page.next_num,
        prev=page.prev_num,
    )


@views.post("/movies")
@validate_request(MovieFields)
@validate_response(MovieOut, 201)
async def create_movie(data: MovieFields) -> Any:
    movie = await Movie(**data.model_dump()).insert()
    return as_movie(movie), 201, {"Location": url_for(".get_movie", id=movie.id)}


@views.get("/movies/<id>")
@validate_response(MovieOut)
async def get_movie(id: str) -> Any:
    return as_movie(await mongo.get_or_404(Movie, id, description="There is no such movie."))


@views.post("/movies/<id>/year")
@validate_request(YearChange)
@validate_response(MovieOut)
async def change_year(id: str, data: YearChange) -> Any:
    movie = await mongo.get_or_404(Movie, id)
    movie.year = data.year
    await movie.save()
    return as_movie(movie)


@views.get("/movies/titled/<title>")
@validate_response(MovieOut)
async def get_movie_titled(title: str) -> Any:
    return as_movie(await mongo.one_or_404(Movie.find(Eq(Movie.title, title))))


@views.get("/movies/starring/<actor>")
@validate_response(FoundMovie)
async def get_movie_starring(actor: str) -> Any:
    movie = await Movie.find(In(Movie.actors, [actor])).first_or_none()
    return FoundMovie(movie=as_movie(movie) if movie else None)


@views.get("/movies/since/<int(max=9999):year>")
@validate_response(Titles)
async def list_movies_since(year: int) -> Any:
    found = Movie.find(GTE(Movie.year, year)).sort("title")
    return Titles(titles=[movie.title async for movie in found])


@views.get("/movies/by-year")
@validate_response(Years)
async def count_movies() -> Any:
    pipeline = [
        {"$group": {"_id": "$year", "movies": {"$sum": 1}, "rating": {"$avg": "$imdb.rating"}}},
        {"$sort": {"_id": 1}},
    ]
    return Years(years=await Movie.aggregate(pipeline).to_list())


@views.post("/movies/search")
@validate_request(Search)
@validate_response(Titles)
async def search(data: Search) -> Any:
    found = Movie.find(Eq(Movie.title, literal(data.title)))
    return Titles(titles=[movie.title async for movie in found])


@views.post("/users")
@validate_request(UserFields)
@validate_response(UserOut, 201)
async def create_user(data: UserFields) -> Any:
    user = await User(**data.model_dump()).insert()
    return UserOut(**as_dict(user)), 201


@views.get("/users")
@validate_response(Users)
async def list_users() -> Any:
    return Users(users=[repr(user) async for user in User.find_all().sort("name")])


@views.get("/users/<name>")
@validate_response(UserOut)
async def get_user(name: str) -> Any:
    return UserOut(**as_dict(await mongo.first_or_404(User.find(Eq(User.name, name)))))


@views.post("/collection/users")
@validate_request(AnyUser)
@validate_response(StoredId, 201)
async def insert_user(data: AnyUser) -> Any:
    result = await mongo.db["users"].insert_one({"name": data.name, "email": data.email})
    return StoredId(id=str(result.inserted_id)), 201


@views.get("/collection/users")
@validate_response(Names)
async def list_user_names() -> Any:
    return Names(names=[user["name"] async for user in mongo.db["users"].find().sort("name")])


@views.get("/collection/users/<name>")
@validate_response(StoredUser)
async def find_user(name: str) -> Any:
    user = await mongo.db["users"].find_one({"name": name})
    if user is None:
        abort(404)
    return StoredUser(id=str(user["_id"]), name=user["name"], email=user["email"])


async def problem(error: HTTPException) -> Response:
    answer = {"title": error.name, "status": error.code, "detail": error.description}
    response = Response(json.dumps(answer), error.code, dict(error.get_headers()))
    response.content_type = "application/problem+json"
    return response


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    app = FaithfulQuart(__name__)
    app.config.from_mapping(MONGODB_SETTINGS={"db": "myapp"})
    app.config.from_mapping(config or {})
    mongo.init_app(app)
    info = Info("Movies in MongoDB", "1")
    QuartSchema(app, info=info, swagger_ui_path=None, redoc_ui_path=None, scalar_ui_path=None)
    swagger_ui(app)
    app.register_error_handler(HTTPException, problem)
    app.register_error_handler(RequestSchemaValidationError, handle_invalid_request)
    app.register_blueprint(views)
    return app
