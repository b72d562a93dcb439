"""A photo board whose view queues a task, tested in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from quart import Quart, request
from sqlalchemy import func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.sqlalchemy.testing import rolled_back
from quartpatterns.tasks import Retry, Tasks, current_job
from quartpatterns.tasks.testing import EagerQueue, eager_tasks


class Base(Model, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)
tasks = Tasks()


class Photo(Base):
    """A photo, which a task gives a thumbnail."""

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    thumbnail: Mapped[str | None]


@tasks.task(max_tries=2)
async def make_thumbnail(photo_id: int) -> int:
    """Give a photo its thumbnail."""
    photo = await db.session.get(Photo, photo_id)
    if photo is None:
        raise LookupError(f"no photo {photo_id}")
    photo.thumbnail = f"{photo.title}.jpg"
    if photo.title == "slow" and current_job.tries == 1:
        await db.session.flush()
        raise Retry
    await db.session.commit()
    if photo.title == "bad":
        photo.thumbnail = "half done"
        await db.session.flush()
        raise ValueError("not an image")
    await count.delay()
    return photo_id


@tasks.task
async def count() -> int:
    """Return the number of photos, which the job of a job reads."""
    return await db.session.scalar(select(func.count(Photo.id))) or 0


def create_app(cls: type[Quart], config: Mapping[str, Any]) -> Quart:
    app = cls(__name__)
    app.config.from_mapping(config)
    db.init_app(app)
    tasks.init_app(app)

    @app.post("/photos")
    async def upload() -> dict[str, Any]:
        form = await request.form
        photo = Photo(title=form["title"])
        db.session.add(photo)
        await db.session.commit()
        job = await make_thumbnail.delay(photo.id)
        # A transaction that is open when the request ends: it is rolled back then.
        await db.session.scalar(select(func.count(Photo.id)))
        return {"id": photo.id, "job": job.id}

    @app.post("/forgets-to-commit")
    async def forget() -> dict[str, Any]:
        db.session.add(photo := Photo(title="lost"))
        await db.session.flush()
        job = await make_thumbnail.delay(photo.id)
        return {"job": job.id}

    @app.get("/photos/<int:id>")
    async def show(id: int) -> dict[str, Any]:
        photo = await db.get_or_404(Photo, id)
        return {"title": photo.title, "thumbnail": photo.thumbnail}

    @app.get("/jobs/<id>")
    async def job(id: str) -> dict[str, Any]:
        result = await tasks.result(id)
        return {"ready": result.ready, "successful": result.successful, "value": result.value}

    return app


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'board.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def app(app_class: type[Quart], url: str) -> AsyncIterator[Quart]:
    app = create_app(app_class, {"TESTING": True, "SQLALCHEMY_DATABASE_URI": url})
    async with app.app_context():
        await db.create_all()
    async with app.test_app():
        yield app


async def number_of_photos(app: Quart) -> int:
    async with app.app_context():
        return await db.session.scalar(select(func.count(Photo.id))) or 0


async def post(app: Quart, path: str, **form: str) -> dict[str, Any]:
    response = await app.test_client().post(path, form=form)
    assert response.status_code == 200
    data: dict[str, Any] = await response.get_json()
    return data


async def get(app: Quart, path: str) -> dict[str, Any]:
    response = await app.test_client().get(path)
    assert response.status_code == 200
    data: dict[str, Any] = await response.get_json()
    return data


async def test_thumbnail(app: Quart) -> None:
    """The task changes the database of the test; nothing of both stays."""
    for _ in range(2):
        with eager_tasks(app) as eager:
            async with rolled_back(app):
                photo = await post(app, "/photos", title="sea")
                job = await get(app, f"/jobs/{photo['job']}")
                assert job == {"ready": True, "successful": True, "value": photo["id"]}
                shown = await get(app, f"/photos/{photo['id']}")
                assert shown == {"title": "sea", "thumbnail": "sea.jpg"}
                assert [job.result.value for job in eager.jobs] == [photo["id"], 1]
        assert await number_of_photos(app) == 0


async def test_in_a_context_of_the_test(app: Quart) -> None:
    """A test that has a session of its own sees what the task has committed."""
    with eager_tasks(app):
        async with rolled_back(app), app.app_context():
            db.session.add(photo := Photo(title="sea"))
            await db.session.commit()
            assert await (await make_thumbnail.delay(photo.id)).wait() == photo.id
            await db.session.refresh(photo)
            assert photo.thumbnail == "sea.jpg"
            id = (await post(app, "/photos", title="hill"))["id"]
            assert await db.session.scalar(select(Photo.thumbnail).filter_by(id=id)) == "hill.jpg"
    assert await number_of_photos(app) == 0


async def test_failed_and_repeated_tasks(app: Quart) -> None:
    """What a try has not committed is rolled back, and only that."""
    with eager_tasks(app) as eager:
        async with rolled_back(app):
            slow = await post(app, "/photos", title="slow")
            assert (await get(app, f"/photos/{slow['id']}"))["thumbnail"] == "slow.jpg"
            assert eager.jobs[0].tries == 2
            bad = await post(app, "/photos", title="bad")
            job = await get(app, f"/jobs/{bad['job']}")
            assert job["value"] == "ValueError: not an image"
            assert (await get(app, f"/photos/{bad['id']}"))["thumbnail"] == "bad.jpg"
    assert await number_of_photos(app) == 0


async def test_forgotten_commit(app: Quart) -> None:
    """The test finds that a view has queued the id of a row that it does not commit."""
    with eager_tasks(app):
        async with rolled_back(app):
            lost = await post(app, "/forgets-to-commit")
            job = await get(app, f"/jobs/{lost['job']}")
            assert job["successful"] is False
            assert str(job["value"]).startswith("LookupError: no photo")


async def test_setting(app_class: type[Quart], url: str) -> None:
    """With the setting TASKS_EAGER the application needs nothing else."""
    config = {"TESTING": True, "SQLALCHEMY_DATABASE_URI": url, "TASKS_EAGER": True}
    app = create_app(app_class, config)
    async with rolled_back(app):
        async with app.app_context():
            await db.create_all()
        async with app.test_app():
            photo = await post(app, "/photos", title="sea")
            assert (await get(app, f"/photos/{photo['id']}"))["thumbnail"] == "sea.jpg"
            assert isinstance(app.extensions["tasks"], EagerQueue)
