import keras
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from s2s_keras.applications import Jasper
from s2s_keras.decoding import Trial, Word
from s2s_keras.tokenizers import CharacterTokenizer
from s2s_keras.visualization import (
    emitted_tokens,
    plot_confusion_matrix,
    plot_detection,
    plot_synthesis,
    plot_transcription,
    plot_tuning,
    words,
)

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the same on every backend")
FRAME = 0.02  # seconds: hops of 10 ms, two to a frame


def small_jasper(**kwargs):
    return Jasper(blocks=((16, 5, 0.0),), repeat=1, prologue=(16, 5, 0.0), epilogue=((16, 1, 0.0),), **kwargs)


@pytest.fixture(scope="module")
def model():
    return small_jasper()


class Scripted:
    """A recognizer that says given characters at given frames."""

    def __init__(self, model, script):
        self.front_end, self.tokenizer, self.sample_rate = model.front_end, model.tokenizer, model.sample_rate
        self.script = script

    def predict_on_batch(self, batch):
        num_frames = -(-(batch["audio"].shape[1] // 160 + 1) // 2)
        logits = np.zeros((1, num_frames, 29), "float32")
        logits[..., 0] = 9.0
        for frame, character in self.script.items():
            logits[0, frame, self.tokenizer.encode(character)[0]] = 20.0
        return logits


def annotations(axes):
    return [(text.get_text(), text.xy[0]) for text in axes.texts]


def test_emitted_tokens_merge_repeats_at_the_most_certain_frame():
    logits = np.full((6, 3), -1.0)
    logits[[0, 1, 2, 3, 4, 5], [1, 1, 0, 1, 2, 2]] = [1.0, 3.0, 1.0, 1.0, 5.0, 4.0]
    assert emitted_tokens(logits) == [(1, 1), (3, 1), (4, 2)]


def test_emitted_tokens_of_blanks_are_none():
    assert emitted_tokens(np.eye(3)[[0, 0]]) == []


def test_words_are_split_at_spaces_and_timed():
    tokenizer = CharacterTokenizer()
    tokens = list(zip([3, 4, 6, 8], tokenizer.encode("ab c"), strict=True))
    assert words(tokens, tokenizer, 0.5) == [("ab", 1.5, 2.5), ("c", 4.0, 4.5)]


def test_text_stands_where_it_was_said(model):
    script = {10: "y", 12: "e", 14: "s", 30: " ", 40: "a"}
    figure = plot_transcription(Scripted(model, script), np.zeros(16000, "float32"))
    waveform, spectrogram, heat_map = figure.axes[:3]
    assert annotations(waveform) == [("yes", pytest.approx(12.5 * FRAME)), ("a", pytest.approx(40.5 * FRAME))]
    expected = [(text, pytest.approx((frame + 0.5) * FRAME)) for frame, text in script.items() if text != " "]
    assert annotations(heat_map) == expected
    assert heat_map.get_xlim() == spectrogram.get_xlim() == (0.0, 1.0)
    assert [label.get_text() for label in heat_map.get_yticklabels()] == ["blank", "space", "a", "e", "s", "y"]


def test_words_of_a_search_stand_with_their_confidence(model):
    spoken = [Word("yes", 0.2, 0.4, 0.987), Word("sir", 0.5, 0.7, 0.5)]
    figure = plot_transcription(Scripted(model, {10: "y"}), np.zeros(16000, "float32"), timed_words=spoken)
    centers = [pytest.approx(0.3), pytest.approx(0.6)]
    drawn = [*zip(["0.99", "0.50"], centers, strict=True), *zip(["yes", "sir"], centers, strict=True)]
    assert annotations(figure.axes[0]) == drawn


def test_an_emitted_token_has_a_row_however_unlikely(model):
    class Unsure(Scripted):
        def predict_on_batch(self, batch):
            return super().predict_on_batch(batch) * 0.01

    figure = plot_transcription(Unsure(model, {10: "y"}), np.zeros(16000, "float32"))
    assert [label.get_text() for label in figure.axes[2].get_yticklabels()] == ["blank", "y"]


def test_heat_map_and_features_span_the_recording(model):
    figure = plot_transcription(model, np.zeros(24000, "float32"))
    for axes in figure.axes[1:3]:
        assert axes.images[0].get_extent()[1] == pytest.approx(1.5, abs=2 * FRAME)


def test_neighbouring_words_do_not_overlap(model):
    script = {10: "e", 11: "i", 12: " ", 13: "a", 14: "t"}
    figure = plot_transcription(Scripted(model, script), np.zeros(96000, "float32"))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    first, second = (text.get_window_extent(canvas.get_renderer()) for text in figure.axes[0].texts)
    assert not first.overlaps(second)


def test_picture_of_a_file_is_written(model, tmp_path):
    import soundfile

    soundfile.write(tmp_path / "noise.wav", np.random.default_rng(0).normal(0, 0.1, 8000), 8000)
    plot_transcription(model, tmp_path / "noise.wav", tmp_path / "noise.png")
    assert (tmp_path / "noise.png").read_bytes().startswith(b"\x89PNG")


def test_a_model_without_front_end_is_refused():
    with pytest.raises(ValueError, match="needs a model with a front end"):
        plot_transcription(small_jasper(front_end=None), np.zeros(1600, "float32"))


def test_tuning_is_a_map_of_a_grid_and_points_of_draws(tmp_path):
    trials = [Trial(0.5, 1.0, 0.06), Trial(0.3, 1.0, 0.08), Trial(0.3, 2.0, 0.08), Trial(0.5, 2.0, 0.09)]
    axes = plot_tuning(trials, tmp_path / "tuning.png").axes[0]
    assert (tmp_path / "tuning.png").is_file()
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {
        ((1, 0), "6.00"), ((0, 0), "8.00"), ((0, 1), "8.00"), ((1, 1), "9.00"),
    }  # fmt: skip
    assert {text.get_text() for text in axes.texts if text.get_color() == "black"} == {"6.00"}
    assert axes.patches[0].get_xy() == (0.5, -0.5)  # around (1, 0)
    assert "6.00%" in axes.get_title()
    drawn = plot_tuning(trials[:3]).axes[0]
    assert drawn.collections[0].get_offsets().tolist() == [[0.5, 1.0], [0.3, 1.0], [0.3, 2.0]]
    assert drawn.collections[1].get_offsets().tolist() == [[0.5, 1.0]]
    with pytest.raises(ValueError, match="at least one trial"):
        plot_tuning([])


def test_a_notebook_shows_a_figure():
    assert plot_tuning([Trial(0.5, 1.0, 0.06)])._repr_png_().startswith(b"\x89PNG")


def test_a_confusion_matrix_shows_every_count(tmp_path):
    matrix = np.array([[7, 1, 0], [0, 5, 2], [0, 0, 9]])
    figure = plot_confusion_matrix(matrix, ("a", "b", "c"), tmp_path / "matrix.png")
    texts = {(text.get_position(), text.get_text()) for text in figure.axes[0].texts}
    assert {((1, 0), "1"), ((2, 1), "2"), ((2, 2), "9"), ((0, 1), "0")} <= texts
    assert figure.axes[0].get_title() == "87.50% of 24 right"
    assert (tmp_path / "matrix.png").stat().st_size > 0
    with pytest.raises(ValueError, match="2 labels"):
        plot_confusion_matrix(matrix, ("a", "b"))


def test_detection_errors_cross_where_the_curve_says():
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, 100)
    probabilities = rng.dirichlet([1, 1, 1], 100) + 0.5 * np.eye(3)[classes]
    figure = plot_detection(probabilities, classes)
    x, y = figure.axes[1].lines[0].get_data()
    n = np.argmax(x >= y)
    rate = float(figure.axes[1].get_title().split()[-1].rstrip("%"))
    assert min(y[n], x[n - 1]) - 0.01 <= rate <= max(x[n], y[n - 1]) + 0.01


def test_a_synthesis_shows_where_attention_looked_when(tmp_path):
    mel, alignment = np.zeros((12, 80)), np.eye(4)
    figure = plot_synthesis(
        mel,
        alignment,
        np.linspace(0, 1, 12),
        tokens="a bc",
        frame=0.5,
        reference=np.ones((8, 80)),
        path=tmp_path / "a.png",
    )
    recording, spectrogram, attention, stop = figure.axes[:4]
    assert [axes.get_ylabel() for axes in figure.axes[:4]] == ["recording", "mel bin", "token", "end"]
    assert recording.images[0].get_extent()[:2] == [0, 4.0] and spectrogram.get_xlim() == (0, 6.0)
    assert attention.images[0].get_extent() == [0, 6.0, -0.5, 3.5]  # four steps of three frames
    np.testing.assert_array_equal(attention.images[0].get_array(), alignment.T)
    assert [label.get_text() for label in attention.get_yticklabels()] == ["a", "\u2423", "b", "c"]
    assert stop.lines[0].get_xdata()[0] == 0.25 and stop.get_xlabel() == "time (s)"
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert [axes.get_ylabel() for axes in plot_synthesis(mel).axes] == ["mel bin"]
    with pytest.raises(ValueError, match=r"a name for each of 4 tokens. Received: 3 names"):
        plot_synthesis(mel, alignment, tokens="abc")
    with pytest.raises(
        ValueError, match=r"stop \(T,\) and reference .* Received: \{'mel': \(12, 80\), 'stop': \(11,\)\}"
    ):
        plot_synthesis(mel, stop=np.zeros(11))
