"""The port: what the comparison with the original can't show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quartpatterns.fileuploads.example.port import create_app
from tests.fileuploads.multipart_bodies import file, form, post
from tests.fileuploads.test_folder import small_disk
from tests.fileuploads.test_uploads import files
from tests.serving import served

MIB = 1024 * 1024


@pytest.mark.checks("UP-9")
async def test_progress(tmp_path: Path) -> None:
    """An upload with an id can be followed; its file is complete."""
    upload_id = "0123456789abcdef"
    async with served(create_app({"UPLOAD_FOLDER": str(tmp_path)})) as server:
        answer = await server.client.post(
            f"/progress?upload={upload_id}", files={"file": ("a.bin", b"x" * MIB)}
        )
        assert answer.json()["size"] == MIB
        events = (await server.client.get(f"/progress/{upload_id}")).text
    states = [json.loads(line[6:]) for line in events.splitlines() if line.startswith("data: ")]
    assert states[-1]["status"] == "done"
    assert states[-1]["received"] == states[-1]["total"] > MIB
    assert files(tmp_path) == {"a.bin": b"x" * MIB}


@pytest.mark.checks("UP-7")
async def test_messages_need_a_key(tmp_path: Path) -> None:
    """Without a secret key, flashing raises an error that names it; uploads work."""
    client = create_app({"UPLOAD_FOLDER": str(tmp_path), "SECRET_KEY": None}).test_client()
    with pytest.raises(RuntimeError, match="secret key"):
        client.app.testing = True
        await post(client, form())
    assert (await post(client, form(file("a.txt", b"x")))).status_code == 302


@pytest.mark.checks("UP-13")
async def test_full_disk(tmp_path: Path) -> None:
    """A full disk is a 507 page."""
    folder = tmp_path / "uploads"
    client = create_app({"UPLOAD_FOLDER": str(folder)}).test_client()
    with small_disk(folder, 2):
        response = await post(client, form(file("a.bin", b"x" * 8 * MIB)), "/progress")
        assert response.status_code == 507
        assert "no space left" in await response.get_data(as_text=True)
        assert files(folder) == {}
