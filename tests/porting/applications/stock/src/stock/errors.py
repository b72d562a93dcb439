from http import HTTPStatus


class Problem(Exception):  # noqa: N818
    """An error that the client sees."""

    status = HTTPStatus.BAD_REQUEST

    def __init__(self, text: str, **details):
        super().__init__(text)
        self.details = details

    def as_answer(self):
        return {"problem": str(self), **self.details}, int(self.status)


class Missing(Problem):
    status = HTTPStatus.NOT_FOUND


class Denied(Problem):
    status = HTTPStatus.FORBIDDEN
