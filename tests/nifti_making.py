"""NIfTI volumes and the public data sets that come as NIfTI, made small."""

import nibabel
import numpy as np
from dicom_making import noise
from dicom_making import write_series as write_dicom

ORIGIN = (-31.25, 40.5, -77.0)


def rotation(x_degrees, z_degrees):
    x, z = np.radians([x_degrees, z_degrees])
    about_x = [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
    about_z = [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
    return np.array(about_x) @ np.array(about_z)


def affine_of(codes, spacing, *, tilt=(0, 0), origin=ORIGIN):
    """Affine of a file whose axes point to `codes`; spacing is that towards R, A and S."""
    affine = np.eye(4)
    for axis, code in enumerate(codes):
        world = next(i for i, pair in enumerate(("RL", "AP", "SI")) if code in pair)
        sign = 1 if code in "RAS" else -1
        affine[:3, axis] = sign * spacing[world] * rotation(*tilt)[:, world]
    affine[:3, 3] = origin
    return affine


def save(path, array, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(array, None)
    image.header.set_sform(affine, code=1)
    image.header.set_qform(None, code=0)
    nibabel.save(image, path)
    return path


BOX = np.s_[2, 50:60, 40:55]


def write_mask(path, planted, *, shape=(4, 120, 100)):
    """A mask on the images that `write_dicom` makes: 0.5 x 0.5 x 6 mm, corner at (-60, -70, 0)."""
    mask = np.zeros(shape, np.uint8)
    mask[planted] = 1
    affine = affine_of("LPS", (0.5, 0.5, 6.0), origin=(60, 70, 0))
    return save(path, mask.transpose(2, 1, 0), affine)


def npc277_pixels(number, sequence):
    """No two series are alike."""
    return noise(4, 120, 100, seed=[number, *sequence.encode()])


def make_npc277(folder, patients=("001", "002")):
    for number, name in enumerate(patients):
        home = folder / "data" / "MRI-Segments" / name
        for sequence, mask in (("T2WI", "ROI-T2"), ("CE-T1WI", "ROI-CE-T1"), ("T1WI", "ROI-T1")):
            tag = {"SeriesDescription": sequence, "PatientID": name}
            write_dicom(home / sequence, npc277_pixels(number, sequence), **tag)
            write_mask(home / f"{mask}.nii", BOX)
    return folder


def make_hntsmrg(folder, patients=(2, 10)):
    for number in patients:
        for when in ("preRT", "midRT"):
            home = folder / "HNTSMRG24_train" / str(number) / when
            affine = affine_of("LAS", (0.5, 0.5, 2.0), tilt=(5, 0))
            seed = number + len(when)
            image = noise(100, 120, 5, seed=seed + (when == "midRT")).astype(np.float32)
            mask = np.zeros(image.shape, np.uint8)
            mask[40:55, 50:60, 2] = 1
            save(home / f"{number}_{when}_T2.nii.gz", image, affine)
            save(home / f"{number}_{when}_mask.nii.gz", mask, affine)
        save(home / f"{number}_preRT_T2_registered.nii.gz", image, affine)
    return folder
