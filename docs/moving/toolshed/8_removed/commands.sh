# Remove the Flask application, and what compared it with the new one.
rm -r toolshed/__init__.py toolshed/extensions.py toolshed/forms.py toolshed/tasks.py
rm -r toolshed/views make_celery.py both.py requests.toml tests/test_*.py
# Move the Quart application to its place.
mv toolshed/aio/*.py toolshed/aio/views toolshed/
mv tests/aio/test_*.py tests/
rm -r toolshed/aio tests/aio
