"""One DICOM series in; stacks, resampling, rectangles."""
