"""What TensorBoard hears and sees of a synthesizer."""

import numpy as np

from s2s_keras.applications import GriffinLim
from s2s_keras.visualization import plot_synthesis

NUM_ITERATIONS = 16  # of Griffin-Lim: enough to hear what was learned


def write_speech(writer, model, token_ids, step):
    """Sentences as audio, and the first as a picture of spectrogram, alignment and end.

    Args:
        writer: `tensorboardX.SummaryWriter`.
        model: `SpeechSynthesizer` with a front end.
        token_ids: list of lists of int, sentences.
        step: int, of training.
    """
    spoken = model.speak(token_ids, model.conditions(len(token_ids)))
    vocoder = GriffinLim(model.front_end, num_iterations=NUM_ITERATIONS)
    for n, speech in enumerate(spoken):
        if speech is None or len(speech.mel) < 2:
            writer.add_text(f"samples/{n}", "It did not come to an end.", step)
            continue
        writer.add_audio(f"samples/{n}", vocoder.vocode(speech.mel), step, sample_rate=model.sample_rate)
        if n == 0:
            frame = model.front_end.hop_length / model.sample_rate
            figure = plot_synthesis(speech.mel, speech.alignment, speech.stop, frame=frame)
            writer.add_image("samples/0", picture_of(figure), step, dataformats="HWC")


def picture_of(figure):
    """A Matplotlib figure as an array, uint8 (height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]
