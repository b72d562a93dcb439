"""Runs of the gallery: comparisons and measurements

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-30
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gallery_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("pattern", sa.String(40), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.Column("started", sa.DateTime(), nullable=True),
        sa.Column("ended", sa.DateTime(), nullable=True),
        sa.Column("message", sa.String(1000), nullable=True),
        sa.Column("summary", sa.JSON(), nullable=True),
        sa.Column("cases", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gallery_runs")),
    )
    op.create_index("ix_gallery_runs_pattern", "gallery_runs", ["pattern", "kind", "id"])
    op.create_index(op.f("ix_gallery_runs_state"), "gallery_runs", ["state"])


def downgrade() -> None:
    op.drop_table("gallery_runs")
