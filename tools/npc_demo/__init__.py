"""The generator of the demonstration study: synthetic patients, real DICOM files, known truth."""
