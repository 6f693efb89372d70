"""From a hospital's images to a study folder, in the order in which it is done.

`pacs` fetches images from the archive; `deidentify` takes names out of images and tables, and
looks whether any are left; `find` tells series apart and lets a person decide; `contours` turns
what a planning system has drawn into rectangles. `public_sets` and `nifti` import public data.
"""
