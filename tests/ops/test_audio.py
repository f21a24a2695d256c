import numpy as np
import pytest
import soundfile

from s2s_keras.ops.audio import audio_info, load_audio

FORMATS = {
    "wav": {},
    "flac": {},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"format": "MP3"},
}


def tone(seconds=1.0, sample_rate=16000, frequency=440.0):
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sample_rate)) / sample_rate)).astype(
        "float32"
    )


def write(path, audio, sample_rate=16000, **kwargs):
    soundfile.write(path, audio, sample_rate, **kwargs)
    return path


@pytest.mark.parametrize("extension", FORMATS)
def test_every_format_gives_the_samples_back(tmp_path, extension):
    audio = load_audio(write(tmp_path / f"a.{extension}", tone(), **FORMATS[extension]))
    assert audio.dtype == np.float32 and audio.shape == (16000,) and audio.flags.c_contiguous
    exact = extension in ("wav", "flac")
    np.testing.assert_allclose(audio[2000:14000], tone()[2000:14000], atol=1e-4 if exact else 0.05)


def test_channels_are_averaged(tmp_path):
    path = write(tmp_path / "a.wav", np.stack([np.full(100, 0.5), np.full(100, -0.25)], axis=1))
    np.testing.assert_allclose(load_audio(path), np.full(100, 0.125), atol=1e-4)


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_other_sample_rates_are_converted(tmp_path, rate):
    audio = load_audio(write(tmp_path / "a.wav", tone(1.0, rate), rate, subtype="FLOAT"))
    assert audio.shape == (16000,)
    np.testing.assert_allclose(audio[1000:15000], tone()[1000:15000], atol=1e-3)


def test_conversion_keeps_what_fits_and_folds_nothing_back(tmp_path):
    path = write(tmp_path / "a.wav", tone(1.0, 44100, 7000.0) + tone(1.0, 44100, 10000.0), 44100, subtype="FLOAT")
    np.testing.assert_allclose(load_audio(path)[1000:15000], tone(1.0, 16000, 7000.0)[1000:15000], atol=1e-3)


def test_another_sample_rate_is_refused_on_demand(tmp_path):
    path = write(tmp_path / "a.wav", tone(1.0, 8000), 8000)
    with pytest.raises(ValueError, match=r"a\.wav: the sample rate is 8000 Hz where 16000 Hz is expected"):
        load_audio(path, resample=False)
    assert load_audio(path, sample_rate=8000, resample=False).shape == (8000,)


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg"])
def test_a_part_is_that_part_of_the_whole(tmp_path, extension):
    path = write(tmp_path / f"a.{extension}", tone(2.0, 8000), 8000, **FORMATS[extension])
    whole = load_audio(path, sample_rate=8000)
    np.testing.assert_allclose(load_audio(path, 8000, offset=0.5, duration=0.75), whole[4000:10000], atol=1e-5)
    np.testing.assert_allclose(load_audio(path, 8000, offset=1.5), whole[12000:], atol=1e-5)
    assert load_audio(path, 16000, offset=0.5, duration=0.75).shape == (12000,)


@pytest.mark.parametrize("offset, duration", [(2.5, None), (1.5, 1.0), (-1.0, None), (0.0, 0.0)])
def test_a_part_outside_the_file_is_an_error(tmp_path, offset, duration):
    path = write(tmp_path / "a.wav", tone(2.0))
    with pytest.raises(ValueError, match=r"a\.wav: the file lasts 2\.000 s; offset .* not inside"):
        load_audio(path, offset=offset, duration=duration)


def cut(path, keep):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def one_sentence_about(path, error):
    message = str(error.value)
    return message.startswith(f"{path}: ") and message.endswith(".") and "\n" not in message


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("keep", [0.0, 0.005, 0.5])
def test_a_cut_off_file_is_an_error(tmp_path, extension, keep):
    path = cut(write(tmp_path / f"a.{extension}", tone(4.0), **FORMATS[extension]), keep)
    with pytest.raises(ValueError) as error:
        load_audio(path)
    assert one_sentence_about(path, error)


def test_damaged_content_is_an_error(tmp_path):
    path = write(tmp_path / "a.flac", tone(4.0))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = np.random.default_rng(0).integers(0, 256, 2000, "uint8").tobytes()
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.flac: the file is damaged or cut off") as error:
        load_audio(path)
    assert one_sentence_about(path, error)


def test_a_wav_written_to_a_pipe_has_no_length_and_is_read(tmp_path):
    path = write(tmp_path / "a.wav", tone())
    data = bytearray(path.read_bytes())
    data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert load_audio(path).shape == (16000,)


def test_missing_folder_text_and_no_samples_are_errors(tmp_path):
    (tmp_path / "a.txt").write_text("hello, this is no audio at all")
    write(tmp_path / "none.wav", np.zeros(0))
    for name, message in {
        "missing.wav": "no such audio file",
        ".": "it is a folder",
        "a.txt": r"cannot be read as audio .*; supported are wav, flac, ogg",
        "none.wav": "holds no samples",
    }.items():
        with pytest.raises(ValueError, match=message) as error:
            load_audio(tmp_path / name)
        assert one_sentence_about(tmp_path / name, error)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 20000.0])
def test_samples_that_are_no_audio_are_errors(tmp_path, value):
    audio = tone()
    audio[100] = value
    path = write(tmp_path / "a.wav", audio, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"expected finite values in \[-1, 1\]") as error:
        load_audio(path)
    assert one_sentence_about(path, error)


def test_info_is_the_header(tmp_path):
    assert audio_info(write(tmp_path / "a.flac", tone(1.0, 8000), 8000)) == (8000, 8000, "FLAC")
