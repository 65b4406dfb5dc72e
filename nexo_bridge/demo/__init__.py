"""The main job on the embedded sandbox, shown on one screen and checked."""
