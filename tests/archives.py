"""Archives in memory, for tests of what goes wrong."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pydicom
from dicom_making import make_slice, noise
from npc_intake import pacs
from npc_intake.deidentify import Key

CLASSIC = {"NPC_PACS_HOST": "pacs", "NPC_PACS_AET": "A"}


class Shelf:
    """An archive of one series in memory."""

    def __init__(self, n=4, **tags):
        self.datasets = {}
        for index, image in enumerate(noise(n)):
            dataset = make_slice(image, 6.0 * index, patient_id="P-1", **tags)
            self.datasets[dataset.SOPInstanceUID] = dataset
        header = next(iter(self.datasets.values()))
        self.listed = pacs.RemoteSeries(
            "P-1", "1.2.3", header.SeriesInstanceUID, "20180101", "T2", n
        )
        self.asked, self.failures = [], 0

    def echo(self):
        pass

    def series(self, patient_id, first, last):
        return [self.listed]

    def images(self, series):
        return list(self.datasets)

    def fetch(self, series, uids, receive):
        self.asked.append(uids)
        for number, uid in enumerate(uids or self.datasets):
            if self.failures and number == 2:
                self.failures -= 1
                raise pacs.PacsError("cut", temporary=True)
            receive(self.datasets[uid])

    def close(self):
        pass

    def retrieve(self, folder, *, attempts=4, **options):
        plan = pacs.Plan((self.listed,), pd.DataFrame())
        (folder / "study").mkdir(exist_ok=True)
        options |= {"pace": pacs.Pace(attempts=attempts, wait_s=0.001), "progress": False}
        return pacs.retrieve(self, plan, folder / "study", Key.open(folder / "key"), **options)


class Stub:
    """A DICOMweb service that gives the same answer to everything, whatever page is asked for."""

    def __init__(self, answer):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/dicom+json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return pacs.connect(
            {"NPC_PACS_URL": f"http://127.0.0.1:{self.server.server_port}/dicom-web"}
        )

    def __exit__(self, *_reason):
        self.server.shutdown()
        self.server.server_close()


def as_json(**values):
    dataset = pydicom.Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return f"[{dataset.to_json()}]".encode()
