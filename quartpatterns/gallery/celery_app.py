"""Celery for the original of the pattern ``tasks`` in the gallery.

``celery -A quartpatterns.gallery.celery_app worker`` runs its tasks. It needs the ``REDIS_URL`` of
the gallery.
"""

from __future__ import annotations

import os
from typing import Any

from quartpatterns.gallery.originals import celery_settings
from quartpatterns.tasks.example.original import create_app

__all__ = ["celery_app"]

original: Any = create_app  # It has no annotations.
celery_app = original(celery_settings(os.environ)).extensions["celery"]
