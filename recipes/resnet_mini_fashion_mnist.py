r"""A small ResNet on Fashion-MNIST: the preset `resnet_mini_fashion_mnist`.

The commands that made it and measured it, from the repository's root, with the Debian package dataset-fashion-mnist:

    export KERAS_BACKEND=tensorflow
    recipe=recipes/resnet_mini_fashion_mnist.py
    s2s-keras train $recipe --output runs/fashion_mnist_1
    s2s-keras train $recipe --output runs/fashion_mnist_2 --epochs 9 --set start=runs/fashion_mnist_1 \
        --set everything=yes --set learning_rate=0.05 --set monitor=loss --set monitor_mode=min
    KERAS_BACKEND=torch s2s-keras train $recipe --output runs/fashion_mnist_3 --epochs 9 \
        --set start=runs/fashion_mnist_2 --set fine=yes --set everything=yes --set learning_rate=0.06 \
        --set monitor=loss --set monitor_mode=min
    python $recipe --store runs/fashion_mnist_3 --output s2s_keras/presets/resnet_mini_fashion_mnist
    python $recipe --write-test runs/fashion_mnist_test
    s2s-keras evaluate resnet_mini_fashion_mnist --manifest runs/fashion_mnist_test/manifest.jsonl --json

In the first run the last 5,000 training pictures choose the epoch and are not trained on; the second goes on from there
with all of them. (The first was validated without mirror images: 94.72 %. With them its weights tell 95.06 %.)
Where the pictures are smallest most is computed per second: after one convolution on all 28 x 28 pixels these two work
on 14 x 14 and 7 x 7. The third goes on with a block on all pixels, which at first passes on what it gets. An epoch took
three to fifteen minutes on one core of processors that had other things to do, of the third eight on two.

The third was begun with `--epochs 13` and stopped after one epoch and 34 steps; `--resume` with 9 did the rest. Up to
there only those 34 steps differ from the command above, in their learning rate.

The preset's answer is the mean over the picture and its mirror image, and over both moved by up to a pixel: 94.95 %.
Two views tell 94.69 %:

    python -c 'from s2s_keras.applications import from_preset; from s2s_keras.training.classification import \
        evaluate_classifier as measure; print(measure(from_preset("resnet_mini_fashion_mnist").copy(shift=0),
        "runs/fashion_mnist_test/manifest.jsonl"))'
"""

import argparse
import json
import re
from pathlib import Path

import keras
import numpy as np

from s2s_keras.applications import ResNet
from s2s_keras.data import (
    FASHION_MNIST,
    FASHION_MNIST_LABELS,
    ImageDataset,
    Mixup,
    RandomErasing,
    RandomFlip,
    RandomShift,
    load_fashion_mnist,
)
from s2s_keras.ops.images import write_image
from s2s_keras.training import Recipe, distribution, load_model

DEV = 5000  # the last training pictures, which choose


class ResNetMiniFashionMNIST(Recipe):
    """Eleven convolutions of size 3 and three projections with `fine`, two and one fewer without."""

    epochs = 26
    batch_size = 128
    learning_rate = 0.1
    monitor = "val_accuracy"
    monitor_mode = "max"
    data: str = FASHION_MNIST
    part: float = 1.0  # of the training pictures
    width: float = 1.0
    weight_decay: float = 5e-3
    label_smoothing: float = 0.1
    mixup: float = 0.0
    erase: float = 0.5
    shift: int = 2
    fine: bool = False  # a block on all 28 x 28 pixels, too
    start: str = ""  # run or preset whose weights to start from, with or without that block
    everything: bool = False  # the last training pictures are no development set but trained on, too

    def model(self):
        widths = [int(width * self.width) for width in (32, 64, 128)]
        model = ResNet(
            blocks=(1, 2, 2) if self.fine else (2, 2),
            filters=widths if self.fine else widths[1:],
            strides=(1, 2, 2) if self.fine else (2, 2),
            bottleneck=False,
            stem=(widths[0], 3, 1),
            stem_pool=False,
            image_shape=(28, 28, 1),
            mean=72.94,
            deviation=90.02,
            labels=FASHION_MNIST_LABELS,
            mirror=True,
            name="resnet_mini",
        )
        if self.start:
            start = load_model(self.start)
            if len(start.blocks) == len(model.blocks):
                model.set_weights(start.get_weights())
            else:
                grow(model, start, load_fashion_mnist("train", self.data)[0][:1000])
        return model

    def training_data(self, model):
        images, labels = load_fashion_mnist("train", self.data)
        count = int((len(labels) - (0 if self.everything else DEV)) * self.part)
        dataset = ImageDataset(
            images[:count],
            labels[:count],
            self.batch_size,
            augmentation=(RandomFlip(), RandomShift(self.shift), RandomErasing(self.erase)),
            shuffle=True,
            seed=self.seed,
            num_shards=distribution.process_count(),
            shard_index=distribution.process_index(),
        )
        return Mixup(dataset, model.num_classes, self.mixup, self.label_smoothing, seed=self.seed)

    def validation_data(self, model):
        images, labels = load_fashion_mnist("train", self.data)
        return Mixup(ImageDataset(images[-DEV:], labels[-DEV:], 500), model.num_classes, alpha=0.0)

    def optimizer(self, steps_per_epoch):
        steps, warmup = self.epochs * steps_per_epoch, steps_per_epoch
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, max(steps - warmup, 1), warmup_target=self.learning_rate, warmup_steps=warmup
        )
        optimizer = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, weight_decay=self.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer

    def loss(self):
        return keras.losses.CategoricalCrossentropy(from_logits=True)

    def metrics(self, model):
        return ["accuracy"]


def grow(model, smaller, images):
    """Give `model` the weights of `smaller`, which lacks its first stack; that stack passes on what it gets."""
    for layer in smaller.layers:
        if layer.weights:
            name = re.sub(r"stack_(\d)", lambda match: f"stack_{int(match[1]) + 1}", layer.name)
            model.get_layer(name).set_weights(layer.get_weights())
    first, projection, last, second = (
        model.get_layer(f"stack_{name}")
        for name in (
            "0_block_0_0_normalization",
            "0_block_0_projection_convolution",
            "0_block_0_1_convolution",
            "1_block_0_0_normalization",
        )
    )
    first.set_weights(second.get_weights())
    projection.set_weights([np.eye(projection.filters)[None, None]])
    last.set_weights([np.zeros_like(weight) for weight in last.get_weights()])
    passed = keras.Model(model.input, second.input).predict(images, verbose=0)
    mean, variance = passed.mean((0, 1, 2)), passed.var((0, 1, 2))
    second.gamma.assign(np.sqrt(variance + second.epsilon))
    second.beta.assign(mean)
    second.moving_mean.assign(mean)
    second.moving_variance.assign(variance)


def write_test(folder, data=FASHION_MNIST):
    """The test pictures as files, and their manifest."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for n, (image, label) in enumerate(zip(*load_fashion_mnist("test", data), strict=True)):
        write_image(folder / f"{n:04d}.png", image)
        rows.append(json.dumps({"image_filepath": f"{n:04d}.png", "label": FASHION_MNIST_LABELS[label]}))
    (folder / "manifest.jsonl").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What the recipe needs besides training.")
    parser.add_argument("--store", help="run whose best weights become the preset")
    parser.add_argument("--output", help="folder of the preset")
    parser.add_argument("--write-test", help="folder for the test pictures and their manifest")
    parser.add_argument("--data", default=FASHION_MNIST, help="folder of Fashion-MNIST's four files")
    arguments = parser.parse_args()
    if arguments.store:
        load_model(arguments.store).copy(shift=1).save_to_preset(arguments.output, half_precision=True)
    if arguments.write_test:
        write_test(arguments.write_test, arguments.data)
