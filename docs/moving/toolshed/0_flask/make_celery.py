"""celery --app make_celery worker"""

from toolshed import create_app

celery_app = create_app().extensions["celery"]
