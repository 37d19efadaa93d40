"""Geometry: how representations lie to each other, how layers and models differ, and what single neurons do."""
