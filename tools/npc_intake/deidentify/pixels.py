"""Pixels of a de-identified image: the pixels and nothing that travels with them.

Text can hide in a compressed stream in more places than a reader looks at: comments and application
segments, between the segments of RLE, behind the marker that ends a JPEG, in the parts of a
JPEG 2000 tile, in bits above the stored ones. So no stream is passed on: every image is decoded,
the bits that are not stored are cleared, and the values are written without compression.
"""

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from npc_helpers.imaging.headers import Tags, check_image
from npc_helpers.imaging.pixels import stored_pixels, transfer_syntax

IMPLEMENTATION = "2.25.302681953317742137043126905216441573419"
LOSSY = {  # transfer syntaxes that are never lossless -> method (PS3.3, C.7.6.1.1.5)
    "1.2.840.10008.1.2.4.50": "ISO_10918_1",
    "1.2.840.10008.1.2.4.51": "ISO_10918_1",
    "1.2.840.10008.1.2.4.81": "ISO_14495_1",
}


def add_pixels(result: Dataset, tags: Tags) -> None:
    """Give a dataset the pixels of another, and new file meta information.

    Where the source was compressed with loss, that stays said: its attributes are kept, and those
    that its transfer syntax implies are written.

    Raises
    ------
    DicomError
        If there are no grey pixels, or they cannot be read.
    """
    check_image(tags)
    result.file_meta = meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = result.SOPClassUID
    meta.MediaStorageSOPInstanceUID = result.SOPInstanceUID
    meta.ImplementationClassUID = IMPLEMENTATION
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    pixels = stored_pixels(tags)
    if "HighBit" in result:
        result.HighBit = tags.integer("BitsStored") - 1
    size = tags.integer("BitsAllocated") // 8
    values = pixels.astype(f"<{pixels.dtype.kind}{size}", copy=False).tobytes()
    result.add_new("PixelData", "OB" if size == 1 else "OW", values + b"\0" * (len(values) % 2))
    method = LOSSY.get(transfer_syntax(tags))
    if method:
        result.LossyImageCompression = "01"
        result.LossyImageCompressionMethod = result.get("LossyImageCompressionMethod") or method
