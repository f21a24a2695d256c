"""Audio files as arrays."""

import io
import os
import re

import numpy as np

_SUPPORTED = "wav, flac, ogg (Vorbis or Opus), mp3 and the other formats of libsndfile"
_UNKNOWN_LENGTH = (0, 0xFFFFFFFF)  # what programs that write to a pipe put for the size of a WAV file
_OGG_PAGE = 65307  # bytes of the largest page
_MAX_PEAK = 16.0  # 24 dB above full scale: such samples are integers stored as floats, not audio in [-1, 1]


def load_audio(path, sample_rate=16000, offset=0.0, duration=None, resample=True):
    """Reads an audio file as one channel of float32 samples.

    Channels are averaged and other sample rates converted with soxr at its HQ setting.

    Args:
        path: str or path-like, a wav, flac, ogg, mp3 or other file that libsndfile reads; or `AudioBytes`, the content
            of such a file.
        sample_rate: int, samples per second of the result. Default 16000.
        offset: float, seconds to skip at the start. Default 0.
        duration: float or None, seconds to read; None reads to the end. Default None.
        resample: bool, whether a file of another sample rate is converted or refused. Default True.

    Returns:
        float32 array (samples,) in [-1, 1] (a lossy codec or the resampling filter may overshoot a little).

    Raises:
        ValueError: the file is missing, empty, cut off, damaged, of an unsupported format, of another sample rate when
            `resample` is False, shorter than `offset + duration`, or holds NaN or samples far outside [-1, 1]. The
            message is one sentence that names the file.

    Example:

    >>> import os, tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> path = os.path.join(tempfile.mkdtemp(), "tone.wav")
    >>> soundfile.write(path, np.zeros((8000, 2)), 8000)
    >>> load_audio(path).shape, load_audio(path, offset=0.25, duration=0.5).shape
    ((16000,), (8000,))
    """
    audio, rate = _read(path, offset, duration)
    if rate != sample_rate:
        if not resample:
            raise ValueError(
                f"{path}: the sample rate is {rate} Hz where {sample_rate} Hz is expected; convert the file or allow "
                "resampling."
            )
        import soxr

        audio = soxr.resample(audio, rate, sample_rate, quality="HQ")
        if not len(audio):
            raise ValueError(f"{path}: too short, not one sample is left of it at {sample_rate} Hz.")
    return audio


def audio_blocks(path, sample_rate=16000, seconds=10.0):
    """Reads an audio file as `load_audio` does, a block at a time.

    Args:
        path, sample_rate: as of `load_audio`.
        seconds: float, length of a block before it is converted to `sample_rate`. Default 10.

    Yields:
        float32 array (samples,).

    Raises:
        ValueError: as `load_audio`; where a file is damaged in the middle, after the blocks before.

    Example:

    >>> import os, tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> path = os.path.join(tempfile.mkdtemp(), "tone.wav")
    >>> soundfile.write(path, np.zeros((8000, 2)), 8000)
    >>> [len(block) for block in audio_blocks(path, 8000, seconds=0.6)]
    [4800, 3200]
    """
    import soundfile
    import soxr

    with _open(path) as file:
        rate, frames, count = file.samplerate, file.frames, 0
        if frames == 0:
            raise ValueError(f"{path}: the file holds no samples.")
        resampler = None if rate == sample_rate else soxr.ResampleStream(rate, sample_rate, 1, "float32", "HQ")
        size = max(round(seconds * rate), 1)
        while True:
            try:
                block = file.read(size, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise ValueError(f"{path}: the file is damaged or cut off ({_reason(error)}).") from error
            count += len(block)
            last = len(block) < size
            block = _mixed(block, path)
            if resampler is not None:
                block = resampler.resample_chunk(block, last=last)
            if len(block):
                yield block
            if last:
                break
        if count < _shortest(file) * frames:
            raise ValueError(f"{path}: the file is cut off, {count} of {frames} samples could be read.")


def audio_info(path):
    """Sample rate and length of an audio file, from its header alone.

    Args:
        path: str or path-like, the file; or `AudioBytes`, its content.

    Returns:
        Tuple (sample_rate, num_samples, format): int, int and libsndfile's name of the format, e.g. "FLAC".

    Raises:
        ValueError: the file is missing, empty, of an unsupported format, or a WAV or Ogg file that is cut off.

    Example:

    >>> import os, tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> path = os.path.join(tempfile.mkdtemp(), "tone.wav")
    >>> soundfile.write(path, np.zeros(8000), 8000)
    >>> audio_info(path)
    (8000, 8000, 'WAV')
    """
    with _open(path) as file:
        return file.samplerate, file.frames, file.format


class AudioBytes(io.BytesIO):
    """The content of an audio file, in memory.

    Args:
        content: bytes.
        title: what error messages call it: a str, or an object with a `str`.

    Example:

    >>> str(AudioBytes(b"", "train-000000.tar, an251"))
    'train-000000.tar, an251'
    """

    def __init__(self, content, title):
        super().__init__(content)
        self.title = title

    def __str__(self):
        return str(self.title)


def _open(path):
    import soundfile

    inside = isinstance(path, AudioBytes)
    path = path if inside else os.fspath(path)
    if not inside and not os.path.isfile(path):
        raise ValueError(f"{path}: no such audio file{' (it is a folder)' if os.path.isdir(path) else ''}.")
    if (path.getbuffer().nbytes if inside else os.path.getsize(path)) == 0:
        raise ValueError(f"{path}: the file is empty (0 bytes).")
    try:
        file = soundfile.SoundFile(_descriptor(path) if inside and hasattr(os, "memfd_create") else path)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: cannot be read as audio ({_reason(error)}); supported are {_SUPPORTED}.") from error
    if file.format == "WAV":
        size = re.search(r"^data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
        if size and int(size[1]) > int(size[2]) and int(size[1]) not in _UNKNOWN_LENGTH:
            file.close()
            raise ValueError(f"{path}: the file is cut off, {size[2]} of the {size[1]} bytes of audio are there.")
    if file.format == "OGG" and not _ogg_ends(path):
        file.close()
        raise ValueError(f"{path}: the file is cut off, the page that ends an Ogg stream is missing.")
    return file


def _descriptor(content):
    """A file descriptor of `AudioBytes`, for soundfile to close: to read from an object it calls Python every time."""
    descriptor = os.memfd_create("audio")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content.getbuffer())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _ogg_ends(path):
    """Whether the last page is marked as the end of the stream and is whole (RFC 3533, section 6)."""
    if isinstance(path, AudioBytes):
        tail = path.getvalue()[-_OGG_PAGE:]
    else:
        with open(path, "rb") as file:
            file.seek(-min(os.path.getsize(path), _OGG_PAGE), os.SEEK_END)
            tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or not page[5] & 4:
        return False
    header = 27 + page[26]
    return len(page) >= header + sum(page[27:header])


def _read(path, offset, duration):
    import soundfile

    with _open(path) as file:
        rate, frames = file.samplerate, file.frames
        start = round(offset * rate)
        wanted = frames - start if duration is None else round(duration * rate)
        if frames == 0:
            raise ValueError(f"{path}: the file holds no samples.")
        if offset < 0 or wanted <= 0 or start + wanted > frames + rate // 100:
            raise ValueError(
                f"{path}: the file lasts {frames / rate:.3f} s; offset {offset} s and duration {duration} s are not "
                "inside it."
            )
        try:
            if start:
                file.seek(start)
            audio = file.read(min(wanted, frames - start), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{path}: the file is damaged or cut off ({_reason(error)}).") from error
        if len(audio) < _shortest(file) * min(wanted, frames - start):
            raise ValueError(f"{path}: the file is cut off, {len(audio)} of {wanted} samples could be read.")
    return _mixed(audio, path), rate


def _shortest(file):
    """The part of the samples that must be there: MP3 headers only estimate the length."""
    return 0.9 if file.format in ("MP3", "MPEG") else 1.0


def _mixed(audio, path):
    """The mean of the channels of samples (S, C), if they are finite and not far outside [-1, 1]."""
    audio = audio[:, 0] if audio.shape[1] == 1 else audio.mean(axis=1)
    peak = max(audio.max(initial=0.0), -audio.min(initial=0.0))  # NaN if any sample is
    if not peak <= _MAX_PEAK:
        raise ValueError(f"{path}: the samples reach {peak}, expected finite values in [-1, 1].")
    return np.ascontiguousarray(audio)


def _reason(error):
    return str(error).rsplit(": ", 1)[-1].rstrip(". ") or "unknown reason"
