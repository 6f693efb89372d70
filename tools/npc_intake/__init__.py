"""From a hospital's images to a study folder: find, name, de-identify, retrieve, import."""
