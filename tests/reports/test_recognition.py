import base64
import hashlib
import io
import json
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import jiwer
import numpy as np
import pytest
import soundfile

from s2s_keras.metrics import bootstrap_interval
from s2s_keras.reports import Recognition, recognition_report
from s2s_keras.reports import _page as page

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")
CLIPS = Path(__file__).resolve().parents[2] / "s2s_keras" / "presets" / "clips"
TEXTS = [  # every one with a single best alignment
    ("five five nine", "nine five nine"),
    ("five go and", "nine go"),
    ("and go", "go go"),
    ("and stop right here", "stop right here now"),
    ("five", "five now please"),
    ("yes", "yes"),
]
SPEAKERS = ["ann", "bob", "ann", "bob", "ann", None]
VOID = {"meta", "input", "br", "path", "use", "link", "img"}


class Page(HTMLParser):
    """Elements as (name, attributes, text), in the order of their ends; the text has that of the elements within."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.open.append((tag, dict(attributes), []))
        if tag in VOID and self.get_starttag_text()[-2:] != "/>":
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        name, attributes, text = self.open.pop()
        assert name == tag, f"<{name}> is closed by </{tag}>"
        self.elements.append((name, attributes, "".join(text)))
        if self.open:
            self.open[-1][2].append("".join(text))

    def handle_data(self, data):
        if self.open:
            self.open[-1][2].append(data)

    def find(self, tag, **wanted):
        wanted = {key.strip("_").replace("_", "-"): value for key, value in wanted.items()}
        return [e for e in self.elements if e[0] == tag and all(e[1].get(k) == v for k, v in wanted.items())]

    def text(self, tag, **wanted):
        ((_, _, text),) = self.find(tag, **wanted)
        return text

    def buttons(self):
        return [attributes["data-edit"] for _, attributes, _ in self.find("button") if "data-edit" in attributes]


@pytest.fixture
def write(tmp_path):
    def write(recognitions, **arguments):
        text = recognition_report(tmp_path / "report.html", recognitions, **arguments).read_text(encoding="utf-8")
        assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
        return Page(text)

    return write


@pytest.fixture
def recognitions():
    return [
        Recognition(*texts, name=f"{n}.wav", duration=0.5 + n, speaker=speaker)
        for n, (texts, speaker) in enumerate(zip(TEXTS, SPEAKERS, strict=True))
    ]


def test_error_rates_are_those_of_jiwer(write, recognitions):
    html = write(recognitions)
    references, hypotheses = zip(*TEXTS, strict=True)
    assert html.text("b", id="wer") == f"{jiwer.wer(list(references), list(hypotheses)):.2%}"
    assert html.text("b", id="cer") == f"{jiwer.cer(list(references), list(hypotheses)):.2%}"
    assert html.text("b", id="right") == "16.7%"
    counts = jiwer.process_words(list(references), list(hypotheses))
    rows = [text for _, _, text in html.find("tr")]
    assert rows[:2] == ["wordscharacters", f"said14{sum(len(text) for text in references)}"]
    edits = {"substituted": counts.substitutions, "deleted": counts.deletions, "inserted": counts.insertions}
    for row, (name, count) in zip(rows[2:5], edits.items(), strict=True):
        assert row.startswith(f"{name}{count}")


def test_interval_is_that_of_the_utterances(write, recognitions):
    edits = [round(jiwer.wer(*texts) * len(texts[0].split())) for texts in TEXTS]
    low, high = bootstrap_interval(edits, [len(reference.split()) for reference, _ in TEXTS])
    assert f"95 % interval {low:.1%} to {high:.1%}" in [text for _, _, text in write(recognitions).find("span")]
    spans = [text for _, _, text in write([Recognition("yes", "yes")]).find("span")]
    assert spans.count("95 % interval too few to say") == 2


def test_most_frequent_edits_come_first(write, recognitions):
    html = write(recognitions)
    assert html.buttons() == ["five→nine", "and→go", "and→", "→now", "→please"]
    rows = [text for _, _, text in html.find("tr")]
    for row in ("five → nine250%", "and → go133%", "and267%", "now2", "please1"):  # of all: 2 of 4, 1 of 3, 2 of 3
        assert row in rows
    assert [text for _, _, text in html.find("h3")] == ["Substitutions: 3", "Deletions: 2", "Insertions: 3"]


def test_utterances_come_worst_first_and_word_by_word(write, recognitions):
    html = write(recognitions)
    items = [attributes for _, attributes, _ in html.find("li")]
    assert [int(item["data-order"]) for item in items] == [4, 1, 3, 2, 0, 5]
    assert items[1]["data-confusions"].split(" ") == ["five→nine", "and→"]
    pairs = [(attributes["class"], text) for _, attributes, text in html.find("span") if "class" in attributes]
    pairs = [(kind[5:], text) for kind, text in pairs if kind.startswith("pair ")][3:]  # behind the legend
    assert pairs[3:6] == [("substituted", "fivenine"), ("right", "go"), ("deleted", "and")]
    assert pairs[:3] == [("right", "five"), ("inserted", "now"), ("inserted", "please")]
    assert [text for _, _, text in html.find("del")][2:4] == ["five", "and"]
    assert [text for _, _, text in html.find("ins")][2:5] == ["now", "please", "nine"]


def test_speakers_and_durations_have_their_rates(write, recognitions):
    rows = [text for _, _, text in write(recognitions).find("tr")]
    assert [row for row in rows if row[:3] in ("ann", "bob")] == [  # 4 of 6 words and 4 of 7
        f"ann66.7%too few to say36{cer('ann'):.1%}",
        f"bob57.1%too few to say27{cer('bob'):.1%}",
    ]
    assert "0.5 to 5.5 s57.1%too few to say614" in rows


def cer(speaker):
    texts = [pair for pair, name in zip(TEXTS, SPEAKERS, strict=True) if name == speaker]
    return jiwer.cer(*map(list, zip(*texts, strict=True)))


def test_sections_without_data_are_left_out(write):
    html = write([Recognition("yes", "no"), Recognition("", "")])
    assert [text for _, _, text in html.find("h2")] == ["Confusions", "Utterances"]
    assert not html.find("audio")


def test_durations_fall_into_ranges_of_as_many_utterances(write):
    html = write([Recognition("a b", "a" if n % 2 else "a b", duration=1.0 + n) for n in range(40)])
    rows = [text for _, _, text in html.find("tr") if " s25.0%" in text]
    assert [re.match(r"[\d.]+ to [\d.]+ s", row)[0] for row in rows] == [
        "1.0 to 10.0 s",
        "11.0 to 20.0 s",
        "21.0 to 30.0 s",
        "31.0 to 40.0 s",
    ]
    low, high = bootstrap_interval([0, 1] * 5, [2] * 10)
    assert all(row.endswith(f"25.0%{low:.1%} to {high:.1%}1020") for row in rows)


def test_long_lists_are_cut_and_say_so(write, monkeypatch, recognitions):
    monkeypatch.setattr(page, "_MOST_UTTERANCES", 2)
    monkeypatch.setattr(page, "_MOST_SPEAKERS", 1)
    monkeypatch.setattr(page, "_MOST_CONFUSIONS", 1)
    html = write(recognitions)
    notes = " ".join(text for _, _, text in html.find("p", class_="note"))
    assert "The 2 worst of 6 utterances" in notes and "The 1 worst of 2" in notes and "and 1 others" in notes
    assert len(html.find("li")) == 2 and html.buttons() == ["five→nine", "and→", "→now"]


def test_texts_cannot_become_elements(write):
    evil = "<script>alert(1)</script>&\"'><img src=x onerror=alert(2)>"
    texts = [Recognition(f"yes {evil}", f"{evil} no", f"n{evil}", 1.0, f"s{evil}"), Recognition("a", f"a {evil}")]
    html = write(texts, title=f"t{evil}", facts={f"k{evil}": f"v{evil}"})
    assert len(html.find("script")) == 1 and not html.find("img")
    assert not [name for _, attributes, _ in html.elements for name in attributes if name.startswith("on")]
    shown = evil.split()[0]
    assert shown in [text for _, _, text in html.find("ins")]
    assert html.text("h1") == html.text("title") == f"t{evil}"
    assert html.text("dt") == f"k{evil}" and html.text("dd") == f"v{evil}"
    assert any(text.startswith(f"s{evil}") for _, _, text in html.find("tr"))


def test_page_runs_its_own_script_alone_and_asks_for_nothing(write, recognitions):
    html = write(recognitions)
    policy = html.find("meta", http_equiv="Content-Security-Policy")[0][1]["content"]
    digest = base64.b64encode(hashlib.sha256(html.text("script").encode()).digest()).decode()
    assert policy.startswith("default-src 'none';") and policy.endswith(f"script-src 'sha256-{digest}'")
    for _, attributes, _ in html.elements:
        for name in ("src", "href", "xlink:href", "data", "action", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    texts = [text for tag, _, text in html.elements if tag in ("style", "script")]
    assert len(texts) == 3  # of the page, of the picture
    assert not re.search(r"url\(\s*['\"]?(?!#|data:)|@import|fetch|https?:", "".join(texts))


def test_worst_utterances_play_what_was_recorded(write, recognitions):
    files = sorted(CLIPS.glob("*.flac"))
    audio, rate = soundfile.read(files[0], dtype="int16")
    asked = []

    def read():
        asked.append(True)
        return np.array([0.0, 1.0, -1.0, 0.25, 3.0], "float32")

    sources = {4: str(files[0]), 1: None, 3: read, 2: read}  # the worst first
    rows = [Recognition(r.reference, r.hypothesis, audio=sources.get(n)) for n, r in enumerate(recognitions)]
    players = [attributes["src"] for _, attributes, _ in write(rows, num_playable=2, sample_rate=rate).find("audio")]
    kinds, contents = zip(*(source.split(",", 1) for source in players), strict=True)
    assert kinds == ("data:audio/flac;base64",) * 2 and asked == [True]
    first, second = (soundfile.read(io.BytesIO(base64.b64decode(c)), dtype="int16") for c in contents)
    assert first[1] == rate and np.array_equal(first[0], audio)
    assert second[0].tolist() == [0, 32767, -32768, 8192, 32767]


def test_audio_stays_below_its_limit(write, monkeypatch):
    monkeypatch.setattr("s2s_keras.reports.recognition._MOST_BYTES", 3000)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 1600).astype("float32")
    rows = [Recognition("a b", "", audio=np.tile(noise, 4)), Recognition("a b", "a", audio=noise[:400])]
    players = write(rows).find("audio")
    assert len(players) == 1 and len(base64.b64decode(players[0][1]["src"].split(",")[1])) < 3000


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("before")
    with pytest.raises(ValueError, match="missing.wav"):
        recognition_report(path, [Recognition("a", "b", audio=tmp_path / "missing.wav")])
    assert path.read_text() == "before" and len(list(tmp_path.iterdir())) == 1
    for wrong in (tmp_path, tmp_path / "missing" / "report.html"):
        with pytest.raises(ValueError, match="expected a file to write the report to"):
            recognition_report(wrong, [Recognition("a", "b")])
    with pytest.raises(ValueError, match="one recognition at least"):
        recognition_report(path, [])


def test_a_disk_that_is_full_leaves_the_page_as_it_was(monkeypatch, tmp_path):
    path, written, write_bytes = tmp_path / "report.html", [], Path.write_bytes

    def write(self, content):
        written.append(self)
        write_bytes(self, content[: len(written)])
        if len(written) > 1:
            raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", write)
    assert recognition_report(path, [Recognition("a", "b")]).read_bytes() == b"<"
    with pytest.raises(OSError, match="no space"):
        recognition_report(path, [Recognition("a", "b")])
    assert path.read_bytes() == b"<" and list(tmp_path.iterdir()) == [path] and path not in written


def test_text_that_is_not_unicode_is_replaced(write):
    assert "?" in [text for _, _, text in write([Recognition("a", "\ud800")]).find("ins")]


def test_evaluate_writes_a_report(monkeypatch, capsys, tmp_path):
    from s2s_keras import cli

    def run(*arguments):
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")  # file descriptor 2 belongs to pytest here
        monkeypatch.setattr(sys, "argv", ["s2s-keras", "evaluate", "jasper_small_an4_en", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        return exit.value.code or 0, *capsys.readouterr()

    rows = [json.loads(line) for line in (CLIPS / "manifest.jsonl").read_text().splitlines()]
    manifest = tmp_path / "clips.jsonl"
    for row, speaker in zip(rows, ("ann", "ann", 7, "bob", None), strict=True):
        row |= {"audio_filepath": str(CLIPS / row["audio_filepath"]), "speaker": speaker}
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = tmp_path / "report.html"
    code, out, _ = run("--manifest", manifest, "--report", report, "--playable", 2, "--json")
    result, html = json.loads(out), Page(report.read_text(encoding="utf-8"))
    assert code == 0 and list(result) == ["wer", "cer", "utterances", "seconds", "rtf"]
    assert html.text("b", id="wer") == f"{result['wer']:.2%}" and html.text("b", id="cer") == f"{result['cer']:.2%}"
    assert html.text("h1") == "jasper_small_an4_en on clips.jsonl" and "greedy" in html.text("dl")
    assert len(html.find("li")) == len(rows) and len(html.find("audio")) == 2
    speakers = [text for _, _, text in html.find("tr") if text.startswith(("ann", "bob", "7"))]
    assert len(speakers) == 3
    worst = html.find("li")[0]
    place = int(worst[1]["data-order"])
    assert f"{Path(rows[place]['audio_filepath']).name}, line {place + 1}" in worst[2]
    audio = soundfile.read(rows[place]["audio_filepath"], dtype="int16")[0]
    content = html.find("audio")[0][1]["src"].split(",")[1]
    assert np.array_equal(soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="int16")[0], audio)

    code, _, err = run("--report", report)
    assert code == 2 and "--manifest" in err
    code, _, err = run("--manifest", manifest, "--report", tmp_path / "no" / "report.html")
    assert code == 2 and "there is no folder" in err
