"""Tests of the tutorial and its photo board."""
