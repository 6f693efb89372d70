"""Transfer from an archive that misbehaves, to a disk that does, and with links in the way."""

import logging
import shutil
import signal
import threading
import time
import warnings

import orthanc
import pandas as pd
import pydicom
import pytest
from archives import CLASSIC, Shelf, Stub, as_json
from npc_intake import pacs
from npc_intake.__main__ import main
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind
from watching import names_below

from npc_helpers.study.artefacts import StudyError


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (as_json(PatientID="P-1"), "no StudyInstanceUID"),
        (as_json(PatientID="P-1", StudyInstanceUID=""), "no StudyInstanceUID"),
        (as_json(PatientID="P-1", StudyInstanceUID="1.2"), "no SeriesInstanceUID"),
        (b'[{"0020000D": {"vr": "P-1", "Value": ["1.2"]}}]', "no DICOM|no Series"),
        (b'[{"0020000D": "P-1"}]', "no DICOM"),
        (b'[{"P-1": {"vr": "UI", "Value": ["1.2"]}}]', "no DICOM"),
        (b'["P-1"]', "no DICOM"),
        (b"[3]", "no DICOM"),
        (b"null", "no DICOM"),
        (b"<html>P-1</html>", "no DICOM|stopped answering"),
    ],
)
def test_a_malformed_answer_is_said_without_quoting_it(answer, message):
    listed = pacs.RemoteSeries("P-1", "1.2", "1.2.3")
    with Stub(answer) as service:
        with pytest.raises(pacs.PacsError, match=message) as caught:
            service.series("P-1", "20180101", "20180101")
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        assert "P-1" not in str(caught.value)
        with pytest.raises(pacs.PacsError, match="no DICOM|stopped answering|no SOPInstanceUID"):
            service.images(listed)


def test_a_malformed_answer_of_a_classic_archive_is_said_too():
    def answer(event):
        answer_of_study = pydicom.Dataset()
        answer_of_study.PatientID = "P-1"
        yield 0xFF00, answer_of_study

    entity, port = AE("A"), orthanc.free_port()
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    server = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, answer)]
    )
    address = {"NPC_PACS_HOST": "127.0.0.1", "NPC_PACS_PORT": str(port)}
    try:
        with pytest.raises(pacs.PacsError, match="no StudyInstanceUID"):
            pacs.connect(CLASSIC | address).series("P-1", "20180101", "20180101")
    finally:
        server.shutdown()


def test_an_archive_that_does_not_count_pages_is_asked_no_more(tmp_path):
    keys = {"SeriesInstanceUID": "1.2.3", "NumberOfSeriesRelatedInstances": 18}
    with Stub(as_json(PatientID="P-1", StudyInstanceUID="1.2", **keys)) as service:
        (series,) = service.series("P-1", "20180101", "20180101")
    assert (series.patient_id, series.study_uid, series.series_uid) == ("P-1", "1.2", "1.2.3")
    assert series.n_images == 18


def test_it_tries_again_and_asks_only_for_what_is_missing(tmp_path):
    shelf = Shelf()
    shelf.failures = 1
    (row,) = shelf.retrieve(tmp_path).to_dict("records")
    assert (row["state"], row["n_fetched"], row["attempts"]) == ("done", 4, 2)
    assert shelf.asked[0] is None and len(shelf.asked[1]) == 2


def test_half_a_series_does_not_show(tmp_path):
    shelf = Shelf()
    shelf.failures = 99
    (row,) = shelf.retrieve(tmp_path, attempts=1).to_dict("records")
    assert (row["state"], row["n_fetched"], row["message"]) == ("failed", 2, "cut")
    shown = [path for path in (tmp_path / "study").rglob("*.dcm") if ".partial" not in path.parts]
    assert not shown


def test_images_added_at_the_archive_join_their_series(tmp_path):
    shelf = Shelf()
    late = shelf.datasets.popitem()
    assert shelf.retrieve(tmp_path)["n_fetched"].sum() == 3
    shelf.datasets[late[0]] = late[1]
    assert shelf.retrieve(tmp_path)["n_fetched"].sum() == 1
    assert shelf.asked[1] == [late[0]]
    assert len(list((tmp_path / "study").glob("data/incoming/NPC-*/series-*/*.dcm"))) == 4


@pytest.mark.parametrize("syntax", [pydicom.uid.ExplicitVRLittleEndian, pydicom.uid.RLELossless])
@pytest.mark.parametrize("part", [0, 100, 0.3, 0.9, -1])
def test_images_that_a_power_cut_left_empty_or_short_are_fetched_again(tmp_path, syntax, part):
    shelf = Shelf()
    if syntax.is_compressed:
        for dataset in shelf.datasets.values():
            dataset.compress(syntax, generate_instance_uid=False)
    shelf.retrieve(tmp_path)
    first, *others = sorted((tmp_path / "study").rglob("image*.dcm"))
    whole, untouched = first.read_bytes(), {path: path.stat().st_mtime_ns for path in others}
    first.write_bytes(whole[: int(part * len(whole)) if isinstance(part, float) else part])
    (row,) = shelf.retrieve(tmp_path).to_dict("records")
    assert (row["state"], row["n_fetched"], len(shelf.asked[1])) == ("done", 1, 1)
    assert first.read_bytes() == whole
    assert {path: path.stat().st_mtime_ns for path in others} == untouched
    assert len(shelf.asked) == 2 and shelf.retrieve(tmp_path)["n_fetched"].sum() == 0


def test_a_compressed_image_of_an_earlier_version_is_fetched_again(tmp_path):
    shelf = Shelf()
    shelf.retrieve(tmp_path)
    first = min((tmp_path / "study").rglob("image*.dcm"))
    dataset = pydicom.dcmread(first)
    dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    dataset.save_as(first)
    (row,) = shelf.retrieve(tmp_path).to_dict("records")
    assert row["n_fetched"] == 1
    assert not pydicom.dcmread(first).file_meta.TransferSyntaxUID.is_compressed


def test_a_link_and_an_empty_mark_are_no_images(tmp_path):
    shelf = Shelf()
    next(iter(shelf.datasets.values())).BurnedInAnnotation = "YES"
    shelf.retrieve(tmp_path)
    (mark,) = (tmp_path / "study").rglob("*.refused")
    mark.write_text("")
    image = next((tmp_path / "study").rglob("image*.dcm"))
    image.replace(tmp_path / "elsewhere.dcm")
    image.symlink_to(tmp_path / "elsewhere.dcm")
    shelf.retrieve(tmp_path)
    assert len(shelf.asked[1]) == 2
    assert mark.read_text() == "burned-in\n" and not image.is_symlink()


def test_what_de_identification_refuses_is_counted_and_not_asked_for_again(tmp_path):
    shelf = Shelf()
    next(iter(shelf.datasets.values())).BurnedInAnnotation = "YES"
    (row,) = shelf.retrieve(tmp_path).to_dict("records")
    assert (row["state"], row["n_refused"]) == ("done", 1)
    shelf.retrieve(tmp_path)
    assert len(shelf.asked) == 1
    (mark,) = (tmp_path / "study").rglob("*.refused")
    assert mark.read_text() == "burned-in\n"


def test_an_image_of_another_patient_is_not_kept(tmp_path):
    shelf = Shelf()
    next(iter(shelf.datasets.values())).PatientID = "P-2"
    (row,) = shelf.retrieve(tmp_path).to_dict("records")
    assert row["state"] == "failed" and "another patient" in row["message"]
    assert not list((tmp_path / "study").rglob("*.dcm"))


def test_a_damaged_image_is_fetched_again_and_then_named(tmp_path):
    shelf = Shelf()
    dataset = next(iter(shelf.datasets.values()))
    dataset.PixelData = dataset.PixelData[:100]
    (row,) = shelf.retrieve(tmp_path, attempts=3).to_dict("records")
    assert (row["state"], row["attempts"]) == ("failed", 3)
    assert "damaged" in row["message"]


def test_odd_values_of_a_header_are_not_quoted_by_the_libraries(tmp_path, recwarn, caplog):
    caplog.set_level(logging.DEBUG)
    shelf = Shelf()
    recwarn.clear()
    odd = {"StudyDate": "no.date", "FrameOfReferenceUID": "no.UID", "StudyTime": "no.time"}
    for uid, dataset in shelf.datasets.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset.update(odd)
        dataset.save_as(tmp_path / "image.dcm", enforce_file_format=True)
        shelf.datasets[uid] = pydicom.dcmread(tmp_path / "image.dcm")  # nothing converted yet
    caplog.clear()
    log = shelf.retrieve(tmp_path)
    said = caplog.text + "".join(str(warning.message) for warning in recwarn) + log.to_csv()
    assert log["n_fetched"].sum() == 4 and not [text for text in odd.values() if text in said]


def test_an_exception_of_a_library_is_named_and_not_quoted(tmp_path, monkeypatch):
    def stumble(*_arguments, **_options):
        raise TypeError("cannot write the value P-1")

    monkeypatch.setattr(pydicom.Dataset, "save_as", stumble)
    (row,) = Shelf().retrieve(tmp_path, attempts=1).to_dict("records")
    assert row["message"] == "an image arrived damaged (TypeError)."
    assert not list(tmp_path.rglob("image*"))


def test_a_log_that_is_open_elsewhere_is_said(tmp_path):
    (tmp_path / "study" / pacs.LOG).mkdir(parents=True)  # cannot be written to, as on Windows
    with pytest.raises(StudyError, match="retrieval_log.csv cannot be written.*has it open"):
        Shelf().retrieve(tmp_path)


def test_two_retrievals_into_one_study_do_not_mix(tmp_path):
    (tmp_path / "study" / "data").mkdir(parents=True)
    lock = tmp_path / "study" / "data" / ".incoming.lock"
    lock.write_text("77\nward-7\n")  # on another computer
    shelf = Shelf()
    with pytest.raises(StudyError, match="at work.*process 77 on the computer ward-7"):
        shelf.retrieve(tmp_path)
    assert shelf.asked == [] and not names_below(tmp_path, "*-patients.csv")
    lock.unlink()
    assert shelf.retrieve(tmp_path)["n_fetched"].sum() == 4 and not lock.exists()


class Interrupted(Shelf):
    """At the third image somebody presses Ctrl-C; more go on coming."""

    def fetch(self, series, uids, receive):
        for number, dataset in enumerate(self.datasets.values()):
            if number == 2:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            receive(dataset)
            time.sleep(0.02)


def test_ctrl_c_shows_nothing_half_and_is_in_the_log(tmp_path):
    shelf = Interrupted(n=100)
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            shelf.retrieve(tmp_path)
    finally:
        signal.signal(signal.SIGINT, usual)
    (row,) = pd.read_csv(tmp_path / "study" / pacs.LOG).to_dict("records")
    arrived = names_below(tmp_path / "study", "image*.dcm")
    assert (row["state"], row["n_images"], row["n_fetched"]) == ("failed", 100, len(arrived))
    assert row["message"] == "interrupted; run this again to go on." and 2 <= len(arrived) < 100
    assert not list((tmp_path / "study").glob("data/incoming/NPC-*"))
    assert not names_below(tmp_path, ".part-*")
    shelf.fetch = super(Interrupted, shelf).fetch
    assert shelf.retrieve(tmp_path)["n_fetched"].sum() == 100 - len(arrived)


def test_ctrl_c_ends_the_command_in_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "list.csv").write_text("patient_id,treatment_start,treatment_end\nP,2018-01-01,\n")
    names = [str(tmp_path / name) for name in ("list.csv", "study", "key.json")]
    monkeypatch.setattr(pacs, "connect", lambda: signal.default_int_handler(signal.SIGINT, None))
    assert main(["retrieve", *names[:2], "--key", names[2]]) == 130
    assert capsys.readouterr().err == "Interrupted. What is done is kept; run this again.\n"


def test_a_full_disk_stops_everything(tmp_path, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pydicom.Dataset, "save_as", full)
    with pytest.raises(StudyError, match="No space left on device.*what has arrived is kept"):
        Shelf().retrieve(tmp_path)


@pytest.mark.parametrize("place", ["incoming", "partial", "patient", "series", "waiting", "log"])
@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_out_of_the_study_is_refused(tmp_path, place, dangling):
    shelf, elsewhere = Shelf(), tmp_path / "elsewhere"
    shelf.retrieve(tmp_path)  # to learn the names
    (whole,) = (tmp_path / "study").glob("data/incoming/NPC-*/series-*")
    partial = tmp_path / "study" / pacs.INCOMING / ".partial"
    link = {
        "incoming": tmp_path / "study" / pacs.INCOMING,
        "partial": partial,
        "patient": whole.parent,
        "series": whole,
        "waiting": partial / whole.name,
        "log": tmp_path / "study" / pacs.LOG,
    }[place]
    shutil.rmtree(tmp_path / "study")
    link.parent.mkdir(parents=True)
    if not dangling:
        elsewhere.write_text("") if place == "log" else elsewhere.mkdir()
    link.symlink_to(elsewhere)
    shelf.asked.clear()
    with pytest.raises(StudyError, match="link to another place.*Put the real folder"):
        shelf.retrieve(tmp_path)
    assert not shelf.asked and elsewhere.exists() != dangling
    assert not elsewhere.is_dir() or not list(elsewhere.iterdir())
    assert not elsewhere.is_file() or not elsewhere.read_text()


def test_what_a_killed_run_left_elsewhere_by_a_link_is_not_deleted(tmp_path):
    waiting = tmp_path / "study" / pacs.INCOMING / ".partial"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ".part-0-image.dcm").write_text("of somebody else")
    waiting.mkdir(parents=True)
    (waiting / "series-0000000000000000").symlink_to(tmp_path / "elsewhere")
    Shelf().retrieve(tmp_path)
    assert (tmp_path / "elsewhere" / ".part-0-image.dcm").exists()


def test_two_people_with_one_number_are_not_one_without_a_word(tmp_path):
    shelf = Shelf()
    for number, dataset in enumerate(shelf.datasets.values()):
        dataset.PatientBirthDate = "19630314" if number < 3 else "19711109"
    (row,) = shelf.retrieve(tmp_path).to_dict("records")
    assert (row["state"], row["n_refused"], row["message"]) == ("done", 1, "1 refused: two-people")
    shelf.retrieve(tmp_path)
    assert len(shelf.asked) == 1  # it is not asked for again, until a person says so
    (row,) = shelf.retrieve(tmp_path, one_person=["all"]).to_dict("records")
    assert (row["n_fetched"], row["n_refused"]) == (1, 0)
    assert len(list((tmp_path / "study").glob("data/incoming/NPC-*/series-*/*.dcm"))) == 4


def test_a_series_that_needs_another_decoder_says_which_package(tmp_path, monkeypatch):
    shelf = Shelf()
    for dataset in shelf.datasets.values():
        dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.available_plugins", ())
    (row,) = shelf.retrieve(tmp_path).to_dict("records")
    assert (row["state"], row["attempts"]) == ("failed", 1)
    assert "python -m npc_helpers install intake" in row["message"]
