import gzip
import json
import os
import struct

import keras
import numpy as np
import pytest
from PIL import Image

from s2s_keras.applications import ResNet
from s2s_keras.data import (
    CenterCrop,
    ImageDataset,
    Mixup,
    RandAugment,
    RandomErasing,
    RandomFlip,
    RandomResizedCrop,
    RandomShift,
    SkipReport,
    Standardize,
    UtteranceError,
    load_cifar10,
    load_fashion_mnist,
    load_image_folder,
    load_image_manifest,
    read_idx,
)
from s2s_keras.data.rand_augment import CHANGES
from s2s_keras.ops.images import cover, read_image, resize, write_image

once = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")
ANY = (RandomFlip(), RandomShift(2), RandomErasing(1.0))


@pytest.fixture
def gradient():
    """A picture whose pixels all differ."""
    return np.arange(20 * 30 * 3, dtype="float32").reshape(20, 30, 3) / 8.0


@pytest.fixture
def folder(tmp_path):
    """Three pictures of two classes and a broken one."""
    for n, name in enumerate(("cat/0.png", "cat/1.png", "dog/deeper/2.png")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / name, np.full((6, 9, 3), 80 * n))
    (tmp_path / "dog" / "3.png").write_bytes(b"no picture")
    (tmp_path / "dog" / "notes.txt").write_text("no picture, and no name of one")
    return tmp_path


@once
def test_batches_depend_on_seed_epoch_and_picture_only():
    images, labels = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 1), "uint8"), np.arange(10) % 3
    data = ImageDataset(images, labels, 4, augmentation=ANY, shuffle=True, seed=3)
    again = ImageDataset(images, labels, 4, augmentation=ANY, shuffle=True, seed=3)
    assert len(data) == 2  # the rest fills no batch
    again.batch(0, 1)
    for epoch, index in ((1, 0), (0, 1), (1, 1)):
        for a, b in zip(data.batch(epoch, index), again.batch(epoch, index), strict=True):
            np.testing.assert_array_equal(a, b)
    assert np.any(data.batch(0, 0)[0] != data.batch(1, 0)[0])
    other = ImageDataset(images, labels, 4, augmentation=ANY, shuffle=True, seed=4)
    assert np.any(data.batch(0, 0)[0] != other.batch(0, 0)[0])
    pixels, classes = ImageDataset(images, labels, 4).batch(0, 2)
    np.testing.assert_array_equal(pixels, images[8:])
    assert pixels.dtype == "float32" and classes.tolist() == [2, 0]
    mixed, soft = Mixup(ImageDataset(images, labels, 4), num_classes=3, alpha=1.0).batch(0, 0)
    assert (
        mixed.shape == (4, 8, 8, 1)
        and np.abs(soft.sum(axis=1) - 1.0).max() < 1e-6
        and np.any((0.1 < soft) & (soft < 0.9))
    )


@once
def test_workers_share_an_epoch():
    images, labels = np.arange(10.0).reshape(10, 1, 1, 1), np.zeros(10)
    parts = [ImageDataset(images, labels, 2, shuffle=True, num_shards=2, shard_index=n) for n in (0, 1)]
    seen = np.concatenate([part.batch(0, index)[0].ravel() for part in parts for index in range(len(part))])
    assert len(set(seen.tolist())) == 8
    whole = ImageDataset(images, labels, 4, shuffle=True)
    assert set(seen.tolist()) == set(np.concatenate([pixels.ravel() for pixels, _ in whole]).tolist())


@once
def test_small_classes_count_as_much():
    images, labels = np.arange(12.0).reshape(12, 1, 1, 1), [0] * 8 + [1] * 3 + [2]
    data = ImageDataset(images, labels, 12, balance="order", shuffle=True, augmentation=[RandomErasing(1.0)])
    pixels, classes = data.batch(0, 0)
    assert np.bincount(classes).tolist() == [4, 4, 4]
    assert len(np.unique(pixels[classes == 2])) == 4  # one picture, augmented anew each time
    pixels, classes, weights = ImageDataset(images, labels, 12, balance="weights").batch(0, 0)
    assert [weights[classes == n].sum().round(4) for n in range(3)] == [4.0, 4.0, 4.0]


@once
def test_folders_and_manifests(folder):
    paths, labels, classes = load_image_folder(folder)
    assert [os.path.relpath(path, folder) for path in paths] == [
        "cat/0.png",
        "cat/1.png",
        "dog/3.png",
        "dog/deeper/2.png",
    ]
    assert labels.tolist() == [0, 0, 1, 1] and classes == ("cat", "dog")
    assert load_image_folder(folder, classes=("dog", "cat"))[1].tolist() == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="differ in: bird"):
        load_image_folder(folder, classes=("bird", "cat", "dog"))
    with pytest.raises(ValueError, match="a folder of pictures for each class"):
        load_image_folder(folder / "cat")
    rows = [{"image_filepath": "cat/0.png", "label": "cat"}, {"image_filepath": "dog/3.png", "text": "dog"}]
    manifest = folder / "all.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)))
    paths, labels, classes = load_image_manifest(manifest)
    assert labels.tolist() == [0, 1] and classes == ("cat", "dog") and all(map(os.path.isfile, paths))
    with pytest.raises(UtteranceError, match="line 2: 'dog' is none of the classes cat"):
        load_image_manifest(manifest, classes=("cat",))
    bad = ["{", '{"label": "cat"}', '{"image_filepath": "none.png", "label": "cat"}']
    manifest.write_text("\n".join([json.dumps(rows[0]), *bad]))
    report = SkipReport("picture")
    assert len(load_image_manifest(manifest, on_bad=report.add)[0]) == 1
    assert report.counts == {"bad line": 2, "missing file": 1}
    assert report.summary().startswith("Skipped 3 pictures: 2 bad line")


@once
def test_pictures_from_files(folder):
    paths, labels, _ = load_image_folder(folder)
    report = SkipReport("picture")
    data = ImageDataset(paths, labels, 2, image_shape=(4, 5, 1), report=report)
    for pixels, classes in (data.batch(0, 0), data.batch(0, 0)):
        assert pixels.shape == (2, 4, 5, 1) and classes.tolist() == [0, 0]
        np.testing.assert_allclose(pixels[1], 80.0, atol=0.5)
    assert data.batch(0, 1)[0].shape == (1, 4, 5, 1)
    assert report.counts == {"unreadable picture": 1}
    with pytest.raises(UtteranceError, match="3.png: .*cannot be read"):
        ImageDataset(paths, labels, 2, image_shape=(4, 5, 1)).batch(0, 1)
    with pytest.raises(ValueError, match="No picture of a batch of 1"):
        ImageDataset(paths[2:3], [0], 1, image_shape=(4, 5, 1), report=report).batch(0, 0)


@once
@pytest.mark.parametrize(
    "changes, message",
    [
        ({"labels": [0]}, "one label for each picture"),
        ({"labels": [0, -1]}, "at least 0"),
        ({"images": ["a.png", "b.png"]}, "image_shape"),
        ({"balance": "all"}, "order"),
        ({"batch_size": 0}, "at least 1"),
        ({"batch_size": 3, "shuffle": True}, "do not fill a batch of 3"),
    ],
)
def test_wrong_arguments_are_one_sentence(changes, message):
    with pytest.raises(ValueError, match=message):
        ImageDataset(**{"images": np.zeros((2, 4, 4, 1)), "labels": [0, 1], "batch_size": 1, **changes})


@once
def test_idx_files(tmp_path):
    values = np.arange(6, dtype="uint8").reshape(3, 2, 1)
    content = struct.pack(">HBBIII", 0, 8, 3, *values.shape) + values.tobytes()
    (tmp_path / "plain").write_bytes(content)
    (tmp_path / "small.gz").write_bytes(gzip.compress(content))
    for name in ("plain", "small.gz"):
        np.testing.assert_array_equal(read_idx(tmp_path / name), values)
    for broken, message in ((content[:-1], "damaged"), (content[:6], "damaged"), (b"\1" + content, "no IDX file")):
        (tmp_path / "plain").write_bytes(broken)
        with pytest.raises(ValueError, match=message):
            read_idx(tmp_path / "plain")
    (tmp_path / "small.gz").write_bytes(gzip.compress(content)[:-4])
    with pytest.raises(ValueError, match="cannot be read"):
        read_idx(tmp_path / "small.gz")
    with pytest.raises(ValueError, match="has no t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz"):
        load_fashion_mnist("test", tmp_path)
    for kind, array in (("images-idx3", np.zeros((2, 28, 28))), ("labels-idx1", np.array([3, 4]))):
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        (tmp_path / f"t10k-{kind}-ubyte").write_bytes(header + array.astype("uint8").tobytes())
    images, labels = load_fashion_mnist("test", tmp_path)
    assert images.shape == (2, 28, 28, 1) and labels.tolist() == [3, 4]


@once
def test_cifar10_says_what_is_damaged(tmp_path):
    with pytest.raises(ValueError, match="data_batch_1.bin: no such file"):
        load_cifar10(tmp_path, "train")
    (tmp_path / "test_batch.bin").write_bytes(bytes(3072))
    with pytest.raises(ValueError, match="damaged"):
        load_cifar10(tmp_path, "test")


@once
def test_crops_keep_what_they_say(gradient):
    rng = np.random.default_rng(0)
    crop = RandomResizedCrop(6, 6, area=(0.25, 0.25), aspect=(1.0, 1.0))
    for _ in range(20):  # a quarter of 20 x 30 is 12 x 12: rows of 90 values apart by 1/8, twice as far after scaling
        step = np.diff(crop(gradient, rng)[1:-1, 3, 0])
        np.testing.assert_allclose(step, 2 * 90 / 8, rtol=1e-3)
    assert RandomResizedCrop(6, 6, aspect=(0.75, 1.33))(gradient[:1], rng).shape == (6, 6, 3)  # none fits
    middle = CenterCrop(20, 20, shorter_side=20)(gradient)
    np.testing.assert_array_equal(middle, gradient[:, 5:25])
    np.testing.assert_array_equal(cover(gradient, 20, 20), middle)
    assert resize(gradient, 10, 15).mean() == pytest.approx(gradient.mean(), rel=1e-3)


@once
def test_shift_flip_erase_standardize(gradient):
    rng = np.random.default_rng(0)
    for _ in range(10):
        moved = RandomShift(3)(gradient, rng)
        rows, columns = np.nonzero(moved[..., 1])
        inside = moved[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert inside.shape[0] >= 17 and inside.shape[1] >= 27
        found = np.argwhere(gradient[..., 1] == inside[0, 0, 1])[0]
        expected = gradient[found[0] : found[0] + inside.shape[0], found[1] : found[1] + inside.shape[1]]
        np.testing.assert_array_equal(inside, expected)
    np.testing.assert_array_equal(RandomFlip(1.0)(gradient, rng), gradient[:, ::-1])
    shares = [np.any(RandomErasing(1.0)(gradient, rng) != gradient, axis=-1).mean() for _ in range(200)]
    assert 0.01 < min(shares) < 0.05 and 0.2 < max(shares) < 0.28
    standard = Standardize()(gradient)
    assert abs(standard.mean()) < 1e-4 and standard.std() == pytest.approx(1.0, rel=1e-4)
    assert np.all(Standardize()(np.full((2, 2, 1), 7.0)) == 0.0)


@once
@pytest.mark.parametrize("name", sorted(CHANGES))
def test_every_change_of_rand_augment(name, monkeypatch):
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype("float32")
    monkeypatch.setattr("s2s_keras.data.rand_augment.CHANGES", {name: CHANGES[name]})
    for pixels in (picture, picture[..., :1]):
        for strength in (0.0, 10.0):
            found = RandAugment(1, strength)(pixels, np.random.default_rng(1))
            assert found.shape == pixels.shape and found.dtype == "float32"
            assert 0.0 <= found.min() and found.max() <= 255.0
            unchanged = name == "nothing" or (name == "Color" and pixels.shape[-1] == 1)
            if strength == 0.0 and name != "equalize":
                np.testing.assert_allclose(found, pixels, atol=1.0)
            elif not unchanged and strength:
                assert np.abs(found - pixels).mean() > 1.0


@once
def test_reading_pictures(tmp_path):
    Image.fromarray(np.full((2, 2, 4), (255, 255, 255, 0), "uint8")).save(tmp_path / "clear.png")
    assert read_image(tmp_path / "clear.png").max() == 0.0  # what is transparent is black
    Image.fromarray(np.full((2, 2), 257 * 100, "uint16")).save(tmp_path / "deep.png")
    np.testing.assert_allclose(read_image(tmp_path / "deep.png"), 100.0)
    turned = Image.fromarray(np.zeros((2, 3), "uint8"))
    exif = turned.getexif()
    exif[0x0112] = 6  # lies on its side
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg", 1).shape == (3, 2, 1)


def test_a_small_network_learns_digits():
    """On scikit-learn's 1,797 pictures of 8 x 8 pixels, a third of them unseen."""
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    images, labels = (digits.images[..., None] * (255 / 16)).astype("uint8"), digits.target
    unseen = np.arange(len(labels)) % 3 == 0
    keras.utils.set_random_seed(0)
    model = ResNet(
        blocks=(1,),
        filters=(16,),
        strides=(2,),
        bottleneck=False,
        stem=(16, 3, 1),
        stem_pool=False,
        momentum=0.9,
        image_shape=(8, 8, 1),
        num_classes=10,
    )
    data = ImageDataset(images[~unseen], labels[~unseen], 32, shuffle=True)
    optimizer = keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(1e-2, 8 * len(data)))
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data.for_fit(), epochs=8, verbose=0, shuffle=False)
    found = [classification.label for classification in model.classify(images[unseen], batch_size=599)]
    assert np.mean(found == labels[unseen]) > 0.97
