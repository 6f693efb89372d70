# %% [markdown]
# # Crop the region: from DICOM series to what the network sees
#
# The authors first gave the network whole images, and it looked at the cerebellum and the eyes.
# So they drew a rectangle on every image, about 400 by 200 pixels, around tumour, lymph nodes and their
# surroundings: the *region of interest* (ROI; `rois` in the code). This notebook reads the images and does the same.
#
# *Time: 15 minutes to read, one minute to run.*
#
# ## What you'll do
#
# - Read MR series from DICOM files and look at what was found in them.
# - Draw, move and copy rectangles in an editor.
# - Pad the cropped regions with zeros to one common size.
#
# ## What you'll learn
#
# - Why slices are sorted by position and never by file name.
# - What brightness means in an MR image, and what it does not mean.
# - How the size of a rectangle can leak into a network.
#
# ## What you'll need
#
# - The study's DICOM series ([00_start_here](00_start_here.ipynb) shows the first of them).

# %%
import os

import numpy as np
import pandas as pd

from npc_course.exercises import check, claim
from npc_course.lesson import begin
from npc_helpers import figures
from npc_helpers.cohort.staging import stage_groups
from npc_helpers.figures.display import footer, show
from npc_helpers.imaging import dicom, roi
from npc_helpers.imaging.scanners import scanner_table
from npc_helpers.imaging.stacks import load_stacks
from npc_helpers.study import Study
from npc_helpers.study.settings import current_setting

study, setting = Study.open(), current_setting()
begin(study)
print(f"{study.manifest.patient_id.nunique()} patients with images, setting {setting.name}")

# %% [markdown]
# ## One series
#
# A DICOM file is one image with a long header. The header says where in the patient the slice
# lies, how large a pixel is, and how it was made. `read_series` reads a folder
# of such files and sorts the slices by their position along the patient. We take a patient from the middle of the T categories.

# %%
study.require_images("drawing rectangles")
first = study.manifest.sort_values(["timepoint", "sequence"]).iloc[-1]  # pre and t2w, if there
timepoint, sequence = first.timepoint, first.sequence
listed = study.manifest.query("timepoint == @timepoint and sequence == @sequence")
by_t_category = listed.merge(study.registry, on="patient_id").sort_values(["t_stage", "patient_id"])
patient_id = by_t_category.patient_id.iloc[len(by_t_category) // 2]
key = (patient_id, timepoint, sequence)

# %%
series = dicom.read_series(study.series_folder(*key))
print("slices, rows, columns:", series.array.shape)
print("pixel size, mm:       ", np.round(series.pixel_spacing_mm, 3))
print("slice positions, mm:  ", np.round(series.positions_mm, 1))

# %% [markdown]
# ### File order is not slice order
#
# The demonstration files are named as scanners name them, which is not from bottom to top.
# Whoever trusts the names puts the slices in the wrong order.

# %%
import pydicom

for path in sorted(study.series_folder(*key).glob("*.dcm"))[:4]:
    header = pydicom.dcmread(path, stop_before_pixels=True)
    print(path.name, "lies at", round(float(header.ImagePositionPatient[2]), 1), "mm")

# %% [markdown] tags=["exercise"]
# > **Exercise 02.1 – repair** (4 minutes). The slices below came in any order. `order` should bring
# > them from feet to head, and does not. Repair that line.

# %% tags=["solution"]
as_they_came = np.random.default_rng(1).permutation(series.positions_mm)
order = np.argsort(as_they_came)  # repair: np.arange(len(as_they_came))
check("02.1", as_they_came[order])

# %% [markdown]
# ### What was noticed
#
# Reading repairs nothing silently. Whatever was odd about the files is listed in `series.findings`, and what cannot
# be used is an error that names the file.

# %% tags=["claim"]
claim(
    not series.findings,
    "The list is empty: nothing was odd about this series.",
    f"Noticed in this series: {'; '.join(finding.message for finding in series.findings)}",
)

# %% [markdown]
# ### Which series is which?
#
# A patient's folder holds more than the two series we want: localisers, fat images, reformats.
# `find_series` reads the headers of everything in a folder and proposes what each series is and
# from which time point, with its reasons. Its `status` is `proposed`, `decide` (you have to), `ignored` (of no
# use here) or `refused` (something is wrong with the files). `docs/own_images.md` tells how such a table becomes
# the manifest of your study.

# %%
from npc_intake.find import find_series, thumbnails

of_patient = study.manifest[study.manifest.patient_id == patient_id]
patient_folder = os.path.commonpath([study.folder / path for path in of_patient.path])
dates = study.registry.set_index("patient_id")[["treatment_start", "treatment_end"]]
candidates = find_series(patient_folder, **dates.to_dict())
candidates.table[["description", "n_images", "kind", "timepoint", "status", "reason"]]

# %% tags=["claim"]
proposed = candidates.table.status == "proposed"
claim(
    proposed.sum() == len(of_patient),
    f"{proposed.sum()} of {len(proposed)} series are proposed, and these are the {len(of_patient)} "
    "that the manifest lists.",
    f"{proposed.sum()} of {len(proposed)} series are proposed; the manifest lists {len(of_patient)}.",
)

# %% [markdown]
# The same table as pictures: the middle image of each series under its row's number, in a solid frame
# if it is proposed and in a broken one if it is not.

# %%
figure = figures.contact_sheet(candidates.table, thumbnails(candidates))
show(figure, "2.1", "Middle image of every series of one patient; broken frame: not proposed.")

# %% tags=["claim"]
left_out = candidates.table[candidates.table.status != "proposed"]
claim(
    len(left_out) > 0 and (left_out.kind == "not_mr").all(),
    f"{len(left_out)} frames are broken, and rightly: they are not MR images but the known truth of the "
    "synthetic patients. In an export of your own look hardest at the broken frames: a series left out "
    "for an unusual name may be the one you want.",
    f"{len(left_out)} frames are broken. Look hardest at broken frames: a series left out for an "
    "unusual name may be the one you want.",
)

# %% [markdown]
# Does each picture fit its heading? Fluid is bright in `t2w` and dark in `t1c`. Decide with the buttons; every
# click is saved in `data/by_hand`, and overrules what was proposed.

# %% tags=["timeless"]
from npc_intake.find.page import SeriesDecisions

SeriesDecisions(candidates, study.folder)

# %% [markdown]
# ## All series
#
# The next cell reads every series of the study with all processor cores and keeps the pixel
# arrays in the results folder. A second run finds them there and opens them without reading a
# single DICOM file. Images of another matrix than the paper's 512 x 512 are resampled to it here, by
# millimetres, so that a centimetre is equally long in every patient.
#
# Which scanners were they? A methods section names maker, model, software, field and sequence parameters. The headers know them.

# %%
stacks = load_stacks(study)
print(len(stacks), "series,", sum(len(series.positions_mm) for series in stacks.values()), "images")
scanners = scanner_table(study)
study.write_table("scanners.csv", scanners)
scanners

# %% tags=["claim"]
models = scanners.groupby(["maker", "model"])
per_model = models.patients.max().sort_values(ascending=False)
claim(
    len(per_model) > 1 and per_model.iloc[0] > 0.9 * per_model.sum(),
    f"{per_model.iloc[0]} of {per_model.sum()} patients lay in one model of scanner, {per_model.index[0][1]}: "
    "whatever is learned here is learned of that one.",
    f"Models of scanners: {len(per_model)}. Where there are several, a network may learn to tell them "
    "apart; where there is one, what is learned is learned of that one.",
)

# %% [markdown]
# ### Brightness has no unit
#
# In computed tomography a pixel value stands for a physical density. In MR it depends on the coil, the
# scanner and the day. So each series is stretched by its own percentiles to the range 0 to 255
# before a network sees it.

# %%
stretched = roi.to_uint8(stacks[key].array)
values = pd.DataFrame(index=pd.Index([0, 5, 50, 95, 100], name="percentile"))
values["from the scanner"] = np.percentile(stacks[key].array, values.index).astype(int)
values["stretched"] = np.percentile(stretched, values.index).astype(int)
values

# %% tags=["claim"]
middle = np.median(stretched)
claim(
    stretched.min() == 0 and stretched.max() == 255,
    f"Whatever the scanner's values were, the darkest pixel is now 0 and the brightest 255; half of the "
    f"pixels lie at {middle:g} or below.",
    f"After stretching, half of the pixels lie at {middle:g} or below.",
)

# %% [markdown]
# ## Rectangles
#
# A rectangle is four integers: first column and row inside, first column and row outside. For
# the demonstration study a suggestion comes with each image, so that the notebooks run by themselves;
# in your own study a centred rectangle of 400 by 200 waits to be moved.

# %%
rois = roi.suggest_rois(study, stacks)
figure = figures.roi_montage(stacks, rois, patient_id, timepoint)
show(figure, "2.2", "All slices of one patient in both sequences, each with its rectangle.")

# %% tags=["claim"]
width, height = (rois.x1 - rois.x0).mean(), (rois.y1 - rois.y0).mean()
offered = (rois.source == "suggested").mean()
claim(
    abs(width - 400) < 20 and abs(height - 200) < 20 and offered == 1,
    f"The figure gives millimetres. In pixels, a rectangle measures {width:.0f} by {height:.0f} on average; the "
    "paper says about 400 by 200. It spans the tumour, the nodes of the neck on both sides and what lies between. The generator "
    "made every rectangle from the known tumour: nobody has drawn one yet.",
    f"On average a rectangle measures {width:.0f} by {height:.0f} pixels; the paper says about 400 by "
    f"200. {offered:.0%} of the rectangles came with the study; the others wait in the middle of the image.",
)

# %% [markdown]
# ### Edit them
#
# Click an image to focus the editor. Drag inside the rectangle to move it, drag an edge to
# resize it, use the wheel or *Page Up* and *Page Down* for slices and the arrow keys for
# single pixels. `C` copies a rectangle to the next slice, `T` changes between the images before and
# after treatment, *Ctrl+Z* takes a step back, `?` shows all keys. Every change is saved at once, so a restarted kernel loses nothing. Where the editor stays empty (some viewers do
# not let notebooks load their own scripts), `IntegerBoxes(session)` from the same module edits the
# same rectangles with number fields. And where somebody has contoured the tumour for radiotherapy, nobody needs to draw again:
# `docs/own_images.md` tells how contours become rectangles.

# %% tags=["timeless"]
from npc_helpers.widgets import RoiEditor
from npc_helpers.widgets.roi_session import RoiSession

session = RoiSession.in_study(
    study, stacks, rois, patient_id=patient_id, timepoint=timepoint, reader_id="reader1"
)
RoiEditor(session)

# %% [markdown]
# ### How alike do two readers draw?
#
# The paper does not say how many readers drew. A second reader shows how much of
# the result hangs on the hand that drew. Here the second reader is made up: the first one's
# rectangles, each edge moved by up to 15 pixels, and 6 pixels taller on average.

# %%
second = rois.copy()
rng = np.random.default_rng(2)
second[["x0", "x1"]] += rng.integers(-15, 16, size=(len(second), 2))
second["y0"] -= rng.integers(0, 13, size=len(second)).clip(max=second.y0)
agreement = roi.compare_readers(rois, second)
print(f"median overlap (intersection over union): {agreement.iou.median():.2f}")

# %% [markdown] tags=["exercise"]
# > **Exercise 02.2 – fill in one line** (4 minutes). The overlap divides the area that both rectangles
# > cover by the area that at least one of them covers, their *union*. How large is the union of these
# > two?

# %% tags=["solution"]
a, b = rois.iloc[0], second.iloc[0]
area_a, area_b = (a.x1 - a.x0) * (a.y1 - a.y0), (b.x1 - b.x0) * (b.y1 - b.y0)
shared = (min(a.x1, b.x1) - max(a.x0, b.x0)) * (min(a.y1, b.y1) - max(a.y0, b.y0))
union = area_a + area_b - shared  # fill in
check("02.2", union, first=a, second=b)

# %%
pixel_mm = stacks[key].pixel_spacing_mm[0]
figure = figures.agreement_figure(agreement, pixel_mm=pixel_mm)
show(figure, "2.3", "Histogram of overlaps, and Bland-Altman plot of the rectangles' areas.")

# %% tags=["claim"]
bias = (agreement.area_a - agreement.area_b).mean() * (pixel_mm / 10) ** 2
claim(
    bias < 0 and agreement.iou.median() > 0.9,
    f"Left, half of the overlaps are above {agreement.iou.median():.2f}; 1 would be identical "
    f"rectangles. Right, the line of bias lies below zero, at {bias:.1f} cm²: the second reader "
    "draws larger, because it was made up so.",
    f"Left, half of the overlaps are above {agreement.iou.median():.2f}; 1 would be identical "
    f"rectangles. Right, the line of bias lies at {bias:.1f} cm².",
)

# %% [markdown]
# 95 of 100 differences lie between the broken lines. With a real second reader, take what the editor
# saved of both: `roi.read_drawn(study)`.
#
# ## What the network sees
#
# Rectangles differ in size, and a network wants one size. The paper puts zeros around the
# region until it measures 512 by 512, which keeps every pixel at its true scale. The function below does that. The package does the
# same, stretches the brightness before, and refuses a rectangle that is larger than 512 by 512 or leaves the image.


# %%
def crop_and_pad(image, box, side=512):
    """Cut a rectangle out of an image, and put it into the middle of a black square."""
    region = image[box.y0 : box.y1, box.x0 : box.x1]
    rows, columns = region.shape
    top, left = (side - rows) // 2, (side - columns) // 2
    padded = np.zeros((side, side), image.dtype)
    padded[top : top + rows, left : left + columns] = region
    return padded


# %%
roi.check_rois(rois, stacks)
images, index = roi.network_inputs({key: stacks[key]}, rois)
image, box = stretched[index.slice_index.iloc[0]], roi.rectangle_of(index.iloc[0])
assert np.array_equal(crop_and_pad(image, box), roi.zero_pad(roi.crop(image, box)))
print("images, rows, columns, channels:", images.shape)
figure = figures.input_montage(images, index)
show(figure, "2.4", "The padded regions as the network receives them, black around the rectangle.")

# %% tags=["claim"]
frame = (images == 0).mean()
claim(
    frame > 0.5,
    f"{frame:.0%} of these inputs is black. The frame is as much a part of them as the tissue: a larger "
    "rectangle leaves less of it.",
    f"{frame:.0%} of these inputs is black: a larger rectangle leaves less of it.",
)

# %% [markdown] tags=["exercise"]
# > **Exercise 02.3 – fill in one line** (4 minutes). Over all rectangles: which share of the 512 x 512
# > pixels is black frame, on average? Guess first.

# %% tags=["solution"]
covered = (rois.x1 - rois.x0) * (rois.y1 - rois.y0) / 512**2
black = 1 - covered.mean()  # fill in
check("02.3", black, rois=rois)

# %% [markdown]
# ### The size of the box is a clue
#
# Whoever draws the box has seen the tumour. A big tumour gets a big box, and a network that
# averages over the whole padded image can sense the box's size without looking at any
# tissue. So a fair study also reports how far one gets with box sizes alone.

# %%
boxes = rois[rois.timepoint == timepoint]
area = ((boxes.x1 - boxes.x0) * (boxes.y1 - boxes.y0)).groupby(boxes.patient_id).mean()
stage = stage_groups(study.registry.set_index("patient_id"), edition=8).rename("stage")
by_stage = area.groupby(stage).describe()[["count", "mean", "std"]].round(0)
by_stage

# %% tags=["claim"]
spread = by_stage["std"].max()
distance = (by_stage["mean"].max() - by_stage["mean"].min()) / (spread or np.nan)
claim(
    0.1 < distance < 0.5,
    f"The means differ by {distance:.1f} standard deviations: these boxes, drawn generously, give away "
    "little of the stage. Lesson 13 draws tight ones.",
    f"The means differ by {distance:.1f} standard deviations: so much of the stage do the boxes alone "
    "give away."
    if distance == distance
    else "All boxes are of one size, so they give away nothing of the stage."
    if area.nunique() == 1
    else "There are too few patients or stages to compare.",
)

# %% [markdown]
# The benchmark `benchmarks/sources.py` trains a network on blank
# boxes and reports what that is worth.
#
# ## Save the rectangles
#
# What readers drew replaces what was suggested; where several drew the same image, the reader of
# this session counts. If you draw again
# later, run the next cell again: until then the other notebooks refuse `rois.csv` as out of date.

# %% tags=["nbval-check-output"]
drawn = roi.read_drawn(study)  # of all readers
rois = session.merge_into(roi.join_readers(rois, drawn, prefer=session.reader_id))
study.write_table("rois.csv", rois)
print("saved", len(rois), "rectangles:", rois.groupby("timepoint").size().to_dict())
roi.provenance(rois)

# %% tags=["claim"]
placed = rois.source.isin(["suggested", "default"]).mean()
claim(
    placed == 1,
    "No rectangle of this table was drawn by a reader.",
    f"{1 - placed:.0%} of the rectangles were drawn by a reader.",
)

# %% [markdown]
# This belongs in a report. Where most rectangles are `default`, a network would be trained on whatever happens to
# lie in the middle of the image, so notebooks 03 and 04 then leave the training out, unless `study.toml` says
# `accept_default_rectangles = true`.
#
# ## What you have now
#
# - Slices are put in order by their position, brightness by the percentiles of its own series.
# - A rectangle says where a reader looked; its size says a little about what the reader saw.
# - Most of what a network receives is black frame.
# - `rois.csv`, one rectangle per image, and the image stacks in the results folder.
#
# ## Check yourself
#
# - Why is padding preferred to resizing here?
# - Two hospitals' images differ in brightness by a factor of three. Does the network notice?
#
# <details><summary>Answers</summary>
#
# - Resizing would make a small tumour in a small box look as large as a big one in a big box.
# - Not by that factor: each series is stretched by its own percentiles. Differences in
#   contrast between tissues remain.
#
# </details>
#
# ## Further reading
#
# - The DICOM standard, part 3, section C.7.6.2 (Image Plane Module): where a slice lies.
# - Zwanenburg A et al. *The Image Biomarker Standardization Initiative*, Radiology 2020.
#
# ## Versions and data

# %%
footer(study, "pydicom", "anywidget", "ipywidgets")
