"""What the page does not have: the checks of what clients send, with the messages of pydantic."""

import unicodedata
from urllib.parse import quote

from flask import abort, make_response, request

LIMITS = {"name": 50, "email": 120}
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def read_json():
    fields = request.get_json()
    if not isinstance(fields, dict):
        message = "Input should be a valid dictionary or instance of NewUser"
        invalid("JSON body", [{"detail": message, "pointer": "#"}])
    return read_user(fields, "JSON body", lambda name: {"pointer": f"#/{escape(name)}"})


def read_form():
    if request.mimetype and request.mimetype not in FORMS:
        abort(415, f"Send the body as {' or '.join(FORMS)}.")
    form = {name: values if values[1:] else values[0] for name, values in request.form.lists()}
    return read_user(form, "form", lambda name: {"field": name})


def read_user(fields, part, place):
    errors = []
    for name, limit in LIMITS.items():
        message = find_error(fields[name], limit) if name in fields else "Field required"
        if message:
            errors.append({"detail": message, **place(name)})
    for name in fields:
        if name not in LIMITS:
            errors.append({"detail": "Extra inputs are not permitted", **place(name)})
    if errors:
        invalid(part, errors)
    return fields["name"], fields["email"]


def find_error(value, limit):
    if not isinstance(value, str):
        return "Input should be a valid string"
    categories = {unicodedata.category(character) for character in value}
    if "Cs" in categories:
        return "Input should be a valid string, unable to parse raw data as a unicode string"
    if len(value) > limit:
        return f"String should have at most {limit} characters"
    if not value.strip() or "Cc" in categories:
        return "Input should be one line of text"
    return None


def escape(name):
    """Escape a name in a JSON pointer that is a fragment (RFC 6901)."""
    return quote(name.replace("~", "~0").replace("/", "~1"), errors="replace")


def invalid(part, errors):
    detail = f"The {part} of the request is not valid."
    problem = {"title": "Bad Request", "status": 400, "detail": detail, "errors": errors}
    response = make_response(problem, 400)
    response.content_type = "application/problem+json"
    abort(response)
